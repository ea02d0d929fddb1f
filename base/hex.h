// Hexadecimal text.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey {

// Reads hexadecimal digits of either case, without separators. Fails with kInvalidArgument when the
// length is odd, a character is not a digit, or the text is longer than `max_bytes` bytes.
Result<Bytes> ParseHex(std::string_view text, size_t max_bytes = 65536);

}  // namespace lodekey
