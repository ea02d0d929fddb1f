#include "cli/json_watch.h"

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::cli {

constexpr size_t kShownBytes = 64;

std::string Quoted(std::string_view text) {
  return fmt::format("'{}'{}", platform::EscapeControl(text.substr(0, kShownBytes)),
                     text.size() > kShownBytes ? "…" : "");
}

bool JsonWatch::operator()(int depth, nlohmann::json::parse_event_t event,
                           const nlohmann::json& parsed) {
  using Event = nlohmann::json::parse_event_t;
  if (event == Event::object_start) keys_.emplace_back();
  if (event == Event::object_end && !keys_.empty()) keys_.pop_back();
  if (event == Event::key) {
    const auto name = parsed.get<std::string>();
    if (!keys_.back().insert(name).second) problem_ = fmt::format("{} stands twice", Quoted(name));
  }
  if (depth > max_depth_) problem_ = "values are nested too deep";
  return problem_.empty();
}

}  // namespace lodekey::cli
