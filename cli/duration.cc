#include "cli/duration.h"

#include <fmt/format.h>

#include "cli/exit.h"
#include "platform/escape.h"

namespace lodekey::cli {

Result<Duration> ReadDuration(const std::string& text, std::string_view option) {
  auto duration = ParseDuration(text);
  if (duration) return duration;
  return FailUsage(fmt::format("{}: '{}' is not a duration", option, platform::EscapeControl(text)),
                   "Give a number and a unit: 60s, 5m, 12h");
}

}  // namespace lodekey::cli
