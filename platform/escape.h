// Foreign text made harmless for a terminal and a log line.
#pragma once

#include <string>
#include <string_view>

namespace lodekey::platform {

// Well-formed UTF-8 without control characters (C0, DEL, C1), line and paragraph separators or
// bidirectional overrides is returned as it is; every other byte becomes \n, \t, \r or \xNN.
// Applying it twice changes nothing more.
std::string EscapeControl(std::string_view text);

// True when EscapeControl has nothing to do.
bool IsPrintable(std::string_view text);

}  // namespace lodekey::platform
