#include "platform/overrides.h"

#include <fmt/format.h>

namespace lodekey::platform {

Result<std::vector<Override>> ParseOverrides(const std::vector<std::string>& settings) {
  std::vector<Override> overrides;
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("--set {}: not of the form key=value", setting),
                  {.name = "config-invalid",
                   .advice = "Give for example: --set tpm.tcti=device:/dev/tpmrm0"});
    }
    overrides.push_back({.key = setting.substr(0, equals), .text = setting.substr(equals + 1)});
  }
  return overrides;
}

}  // namespace lodekey::platform
