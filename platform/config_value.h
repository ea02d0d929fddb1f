// One value of an option: from text or TOML to the type its kind asks for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "platform/config_schema.h"

namespace lodekey::platform {

// kText and kPath: string. kList: vector. kFlag: bool. kInteger, kSpan (ms), kSize (bytes):
// int64_t.
using ConfigValue = std::variant<std::string, std::vector<std::string>, bool, int64_t>;

// A value as a TOML document spells it; monostate is a type that no option has (float, date, table,
// an array of anything but strings).
using RawValue = std::variant<std::monostate, std::string, std::vector<std::string>, bool, int64_t>;

// Reads and checks a value against its option. The error text completes "'key' …" and does not
// repeat the value of a secret option.
Result<ConfigValue> ParseConfigText(const Option& option, std::string_view text);
Result<ConfigValue> ParseConfigRaw(const Option& option, const RawValue& raw);

// The text form, which ParseConfigText reads back.
std::string FormatConfigValue(const Option& option, const ConfigValue& value);

}  // namespace lodekey::platform
