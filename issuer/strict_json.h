// JSON as it must be where a second reading would be dangerous. Pure.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace lodekey::issuer {

// kInvalidArgument, without a name: more than `max_bytes`, no JSON (RFC 8259), a key that stands
// twice in one object, values nested more than 64 deep, a number that fits no type. No exception
// leaves it. Strings are valid UTF-8 then.
Result<nlohmann::json> ParseStrictJson(std::string_view text, size_t max_bytes);

}  // namespace lodekey::issuer
