// Points in time and their text form. Nothing here reads a clock: pure code is given the time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lodekey {

using Duration = std::chrono::milliseconds;
using Time = std::chrono::sys_time<Duration>;

// RFC 3339 in UTC with milliseconds: "2026-01-31T09:30:00.250Z".
std::string FormatTime(Time time);

// Reads that form, with or without the fraction. Fails with kInvalidArgument.
Result<Time> ParseTime(std::string_view text);

// "90s", "10m", "1h", "7d", "250ms": one unsigned number and one unit, at most ten years.
Result<Duration> ParseDuration(std::string_view text);

// The largest unit that divides `duration` evenly: "10m", never "600s".
std::string FormatDuration(Duration duration);

}  // namespace lodekey
