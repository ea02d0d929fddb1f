#include "cli/labels.h"

#include <fmt/format.h>

#include "cli/exit.h"
#include "platform/escape.h"

namespace lodekey::cli {

Result<Labels> ReadLabels(std::string_view option, const std::vector<std::string>& texts) {
  Labels labels;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return FailUsage(
          fmt::format("{} {}: not of the form NAME=VALUE", option, platform::EscapeControl(text)),
          fmt::format("Give for example: {} site=fra1", option));
    }
    labels.insert_or_assign(text.substr(0, equals), text.substr(equals + 1));
  }
  return labels;
}

std::string FormatLabels(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

}  // namespace lodekey::cli
