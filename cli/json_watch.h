// What the JSON library would let pass: a key that stands twice, of which it keeps the last, and
// nesting to any depth.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace lodekey::cli {

// At most 64 bytes of foreign text, in quotes and harmless.
std::string Quoted(std::string_view text);

// For nlohmann::json::parse, by std::ref.
class JsonWatch {
 public:
  explicit JsonWatch(int max_depth) : max_depth_(max_depth) {}
  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed);
  // Empty: nothing was wrong.
  const std::string& problem() const { return problem_; }

 private:
  const int max_depth_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string problem_;
};

}  // namespace lodekey::cli
