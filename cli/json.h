// What the command prints under -o json: one object with "schema": 1. Absent things are null; times
// are RFC 3339, bytes are hex.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/time.h"

namespace lodekey::cli {

using Json = nlohmann::ordered_json;  // members stay in the order of docs/cli.md

// Times as messages carry them: milliseconds since 1970; 0 is null.
Json JsonTime(int64_t unix_ms);
Json JsonTime(Time time);
// null for 0.
Json JsonCount(uint64_t count);
// null when empty.
Json JsonText(const std::string& text);
Json JsonHex(const std::string& bytes);
// "code", "message" and "advice", as on standard error.
Json JsonError(const Error& error);

// Indented, with everything but ASCII escaped: texts of strangers cannot steer a terminal.
std::string DumpJson(const Json& json);

}  // namespace lodekey::cli
