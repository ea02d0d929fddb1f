// Labels of nodes on the command line: NAME=VALUE.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lodekey::cli {

using Labels = std::map<std::string, std::string>;

// What `option` was given, as often as it was. FailUsage for what is no label; of a name that is
// given twice the last value counts.
Result<Labels> ReadLabels(std::string_view option, const std::vector<std::string>& texts);

// "group=edge,site=fra1"
std::string FormatLabels(const Labels& labels);

}  // namespace lodekey::cli
