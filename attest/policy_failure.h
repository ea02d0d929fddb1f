// What a policy that failed is called: it gave no answer, which says nothing against who asked.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace lodekey::attest {

// No worker was free or could be started, the time or the memory was over, or what came out was no
// answer.
inline bool IsPolicyFailure(std::string_view code) {
  constexpr std::array<std::string_view, 6> kCodes = {"policy-busy",   "policy-engine",
                                                      "policy-time",   "policy-memory",
                                                      "policy-output", "policy-error"};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

}  // namespace lodekey::attest
