// Points in time on the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace lodekey::cli {

// RFC 3339 in UTC ("2026-01-31T09:30:00Z"), or how long ago it was ("2h", "7d"). A slip is one of
// usage that names `option`.
Result<Time> ReadMoment(const std::string& text, std::string_view option, Time now);

}  // namespace lodekey::cli
