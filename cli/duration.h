// Durations on the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace lodekey::cli {

// As ParseDuration, but a slip is one of usage that names `option`.
Result<Duration> ReadDuration(const std::string& text, std::string_view option);

}  // namespace lodekey::cli
