#include "issuer/strict_json.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::issuer {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr size_t kShownBytes = 64;

// Sees every key as it is parsed: afterwards the second of two has replaced the first.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(name).second)
        Object(fmt::format("the key '{}' stands twice",
                           platform::EscapeControl(name.substr(0, kShownBytes))));
    }
    if (depth > kMaxDepth) Object(fmt::format("values are nested more than {} deep", kMaxDepth));
    return problem_.empty();
  }
  const std::string& problem() const { return problem_; }

 private:
  void Object(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }

  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string problem_;
};

}  // namespace

Result<Json> ParseStrictJson(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes)
    return Fail(Code::kInvalidArgument, fmt::format("has more than {} bytes", max_bytes));
  Watch watch;
  try {
    Json json = Json::parse(text, std::ref(watch));
    if (watch.problem().empty()) return json;
    return Fail(Code::kInvalidArgument, watch.problem());
  } catch (const Json::parse_error& problem) {
    return Fail(Code::kInvalidArgument, fmt::format("is no JSON from byte {} on", problem.byte));
  } catch (const Json::exception&) {
    return Fail(Code::kInvalidArgument, "has a number that is too large");
  }
}

}  // namespace lodekey::issuer
