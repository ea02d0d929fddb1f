// Keeps from toml++ 3.3 what it cannot bear. Beyond a plain parse_error, hostile text reaches two
// of its weaknesses: it bounds brackets but not dotted keys, and frees its tables recursively, so
// that a megabyte of "a.a.a." exhausts the stack; and some malformed documents are undefined
// behaviour
// ("[&", a letter beyond ASCII where a blank may stand).
#pragma once

#include <string_view>

#include "base/result.h"

namespace lodekey::platform {

inline constexpr size_t kTomlMaxDepth = 16;  // brackets open at once
inline constexpr size_t kTomlMaxDots = 16;   // in one dotted key

// Walks over `text` once and builds nothing. Fails with kInvalidArgument "line:column: what".
// Passes every valid document within the bounds, and many that are not valid.
Result<void> CheckTomlIsBearable(std::string_view text);

}  // namespace lodekey::platform
