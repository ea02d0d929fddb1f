#include "cli/moment.h"

#include <fmt/format.h>

#include "cli/exit.h"
#include "platform/escape.h"

namespace lodekey::cli {

Result<Time> ReadMoment(const std::string& text, std::string_view option, Time now) {
  if (auto time = ParseTime(text)) return *time;
  if (const auto ago = ParseDuration(text)) return now - *ago;
  return FailUsage(fmt::format("{}: '{}' is no time", option, platform::EscapeControl(text)),
                   "Give a time (2026-01-31T09:30:00Z), or how long ago it was: 2h, 7d");
}

}  // namespace lodekey::cli
