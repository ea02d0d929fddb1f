// Settings as they are given on a command line.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "platform/config.h"

namespace lodekey::platform {

// Each of `settings` is "key=value". kInvalidArgument ("config-invalid") for another form.
Result<std::vector<Override>> ParseOverrides(const std::vector<std::string>& settings);

}  // namespace lodekey::platform
