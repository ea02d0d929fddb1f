#include "cli/json.h"

#include "base/bytes.h"

namespace lodekey::cli {

Json JsonTime(int64_t unix_ms) {
  return unix_ms == 0 ? Json() : Json(FormatTime(Time(Duration(unix_ms))));
}

Json JsonTime(Time time) { return Json(FormatTime(time)); }

Json JsonCount(uint64_t count) { return count == 0 ? Json() : Json(count); }

Json JsonText(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json JsonHex(const std::string& bytes) {
  return bytes.empty() ? Json() : Json(ToHex(AsBytes(bytes)));
}

Json JsonError(const Error& error) {
  return {{"code", std::string(error.Name())},
          {"message", error.text},
          {"advice", JsonText(error.advice)}};
}

std::string DumpJson(const Json& json) {
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace lodekey::cli
