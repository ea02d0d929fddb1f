#include "platform/toml_guard.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace lodekey::platform {
namespace {

bool IsBareKeyChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// Tells strings and comments from the rest exactly as TOML 1.0 does; of the rest it knows only
// brackets, dots, and whether a key or a value stands where it is.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  Result<void> ToTheEnd() {
    while (at_ < text_.size()) {
      const size_t here = at_;
      const std::string_view objection = Objection(text_[here]);
      if (!objection.empty()) return Refuse(here, objection);
      Step(text_[here]);
      if (dots_ > kTomlMaxDots) return Refuse(here, "a key has too many dotted parts");
      if (open_.size() > kTomlMaxDepth) return Refuse(here, "values are nested too deep");
    }
    return {};
  }

 private:
  std::string_view Objection(char c) const {
    if (static_cast<uint8_t>(c) >= 0x80)
      return "only strings and comments may hold more than ASCII";
    if (c == '[' && open_.empty() && !in_value_ && !HeaderBeginsWithKey()) {
      return "a table header must begin with a key";
    }
    if ((c == '"' || c == '\'') && !StringMayBegin()) return "a string cannot begin here";
    return {};
  }

  void Step(char c) {
    switch (c) {
      case '#': at_ = std::min(text_.find('\n', at_), text_.size()); return;
      case '"':
      case '\'': SkipString(c); break;
      case '.': ++dots_; break;
      case '[':
      case '{': Open(c); break;
      case ']':
      case '}': Close(); break;
      case '=': in_value_ = true; break;
      case ',': in_value_ = !open_.empty() && open_.back() == '['; break;
      case '\n':
        if (open_.empty()) in_value_ = false;
        break;
      default: break;
    }
    if (c == '=' || c == ',' || c == '\n') dots_ = 0;
    const bool blank = c == ' ' || c == '\t' || c == '\r' || (c == '\n' && !open_.empty());
    if (!blank) last_ = c;
    ++at_;
  }

  void Open(char c) {
    open_.push_back(c == '[' && !in_value_ ? kHeader : c);
    if (c == '{') in_value_ = false;
  }

  void Close() {
    if (open_.empty()) return;
    in_value_ = open_.back() != kHeader;
    open_.pop_back();
  }

  // To the last byte of the string. TOML 1.0 "String": one line, or any number between triple
  // quotes.
  void SkipString(char quote) {
    const std::string triple(3, quote);
    const bool multiline = text_.substr(at_).starts_with(triple);
    at_ += multiline ? 3 : 1;
    while (at_ < text_.size()) {
      if (!multiline && text_[at_] == '\n') break;
      if (multiline ? text_.substr(at_).starts_with(triple) : text_[at_] == quote) break;
      at_ += text_[at_] == '\\' && quote == '"' ? 2u : 1u;
    }
    if (multiline) at_ += 2;
    // One or two quotes may stand before the closing three.
    for (int i = 0; multiline && i < 2 && at_ + 1 < text_.size() && text_[at_ + 1] == quote; ++i) {
      ++at_;
    }
  }

  // At the bracket of "[key]" or "[[key]]". An end or a closing bracket is left to the parser.
  bool HeaderBeginsWithKey() const {
    const size_t brackets = text_.substr(at_).starts_with("[[") ? 2 : 1;
    const size_t key = text_.find_first_not_of(" \t", at_ + brackets);
    if (key == std::string_view::npos) return true;
    const char c = text_[key];
    return IsBareKeyChar(c) || c == '"' || c == '\'' || c == ']';
  }

  // Elsewhere a quote would begin a string for this walk but not for the parser ("a = 7'").
  bool StringMayBegin() const {
    return std::string_view("\n=,[{").find(last_) != std::string_view::npos ||
           (last_ == '.' && !in_value_);
  }

  std::unexpected<Error> Refuse(size_t at, std::string_view what) const {
    const std::string_view before = text_.substr(0, at);
    const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    return Fail(
        Code::kInvalidArgument,
        fmt::format("{}:{}: {}", 1 + std::ranges::count(before, '\n'), 1 + at - line_start, what));
  }

  static constexpr char kHeader = 'h';

  std::string_view text_;
  size_t at_ = 0;
  size_t dots_ = 0;
  std::string open_;       // the brackets around this place: '[', '{' or kHeader
  bool in_value_ = false;  // behind '=' or in an array
  char last_ = '\n';       // the last byte that was not blank
};

}  // namespace

Result<void> CheckTomlIsBearable(std::string_view text) { return Walk(text).ToTheEnd(); }

}  // namespace lodekey::platform
