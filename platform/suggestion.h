// "Did you mean …?"
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lodekey::platform {

// The candidate nearest to `word` within two insertions, deletions or replacements; failing that,
// the only one with the same last dotted part (a key put under the wrong table).
std::optional<std::string> SuggestFor(std::string_view word,
                                      const std::vector<std::string>& candidates);

}  // namespace lodekey::platform
