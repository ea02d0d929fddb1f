#include "cli/check.h"

#include <algorithm>

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::cli {

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kOk: return "ok";
    case Level::kWarn: return "warn";
    case Level::kFail: return "fail";
  }
  return "fail";
}

Check FailedCheck(std::string id, const Error& error, std::string why, const std::string& fix) {
  return {.id = std::move(id),
          .level = Level::kFail,
          .what = error.text,
          .why = std::move(why),
          .fix = fix.empty() ? error.advice : fix};
}

bool AnyFailed(const std::vector<Check>& checks) {
  return std::ranges::any_of(checks,
                             [](const Check& check) { return check.level == Level::kFail; });
}

std::string ChecksText(const std::vector<Check>& checks) {
  size_t width = 0;
  for (const Check& check : checks) width = std::max(width, check.id.size());
  std::string text;
  for (const Check& check : checks) {
    text += fmt::format("{:<4}  {:<{}}  {}\n", LevelName(check.level), check.id, width,
                        platform::EscapeControl(check.what));
    const std::string indent(width + 8, ' ');
    if (!check.why.empty()) text += indent + "why: " + platform::EscapeControl(check.why) + "\n";
    if (!check.fix.empty()) text += indent + "fix: " + platform::EscapeControl(check.fix) + "\n";
  }
  return text;
}

Json ChecksJson(const std::vector<Check>& checks) {
  Json json = Json::array();
  for (const Check& check : checks) {
    json.push_back({{"id", check.id},
                    {"level", LevelName(check.level)},
                    {"what", check.what},
                    {"why", JsonText(check.why)},
                    {"fix", JsonText(check.fix)}});
  }
  return json;
}

}  // namespace lodekey::cli
