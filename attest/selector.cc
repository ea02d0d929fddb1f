#include "attest/selector.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/hex.h"

namespace lodekey::attest {
namespace {

constexpr size_t kMaxAccountName = 32;  // useradd(8)
constexpr size_t kSha256Hex = 64;

bool IsNumber(std::string_view value) {
  uint32_t number = 0;
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
  // One spelling for each number: selectors are compared as text.
  return problem == std::errc() && end == value.data() + value.size() &&
         value == std::to_string(number);
}

bool IsAccountName(std::string_view value) {
  return value.size() <= kMaxAccountName && std::ranges::none_of(value, [](char c) {
           return c <= ' ' || c > '~' || c == ':' || c == '/';
         });
}

bool IsAbsolutePath(std::string_view value) {
  return value.starts_with('/') && std::ranges::none_of(value, [](char c) {
           return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
         });
}

bool IsSha256(std::string_view value) {
  return value.size() == kSha256Hex && std::ranges::all_of(value, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// What a selector may be.
struct Kind {
  std::string_view type;
  std::string_view name;
  bool separates;
  bool (*accepts)(std::string_view);
  std::string_view form;  // of its value, for a person
};

constexpr std::array kKinds = {
    Kind{"unix", "uid", true, IsNumber, "a number"},
    Kind{"unix", "gid", true, IsNumber, "a number"},
    Kind{"unix", "user", true, IsAccountName, "the name of a user"},
    Kind{"unix", "group", true, IsAccountName, "the name of a group"},
    Kind{"unix", "supplementary_gid", true, IsNumber, "a number"},
    Kind{"unix", "supplementary_group", true, IsAccountName, "the name of a group"},
    Kind{"unix", "path", false, IsAbsolutePath, "an absolute path"},
    Kind{"unix", "sha256", false, IsSha256, "64 lower-case hexadecimal digits"},
};

const Kind* FindKind(std::string_view type, std::string_view name) {
  const auto found = std::ranges::find_if(
      kKinds, [&](const Kind& kind) { return kind.type == type && kind.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

std::string KnownKinds() {
  std::string text;
  for (const Kind& kind : kKinds)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ", ", kind.type, kind.name);
  return text;
}

std::unexpected<Error> Invalid(std::string text, std::string advice) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "selector-invalid", .advice = std::move(advice)});
}

}  // namespace

Result<Selector> ParseSelector(std::string_view text) {
  if (text.size() > kMaxSelectorSize)
    return Invalid(fmt::format("a selector is longer than {} bytes", kMaxSelectorSize), "");
  const size_t first = text.find(':');
  const size_t second = first == text.npos ? text.npos : text.find(':', first + 1);
  if (second == text.npos) {
    return Invalid("a selector has the form type:name:value",
                   fmt::format("Known are {}.", KnownKinds()));
  }
  Selector selector{.type = std::string(text.substr(0, first)),
                    .name = std::string(text.substr(first + 1, second - first - 1)),
                    .value = std::string(text.substr(second + 1))};
  const Kind* kind = FindKind(selector.type, selector.name);
  if (kind == nullptr)
    return Invalid("no attestor gives this kind of selector",
                   fmt::format("Known are {}.", KnownKinds()));
  if (selector.value.empty() || !kind->accepts(selector.value)) {
    return Invalid(fmt::format("the value of {}:{} must be {}", kind->type, kind->name, kind->form),
                   "See what a process has: lodekey workload inspect --pid PID");
  }
  return selector;
}

std::string FormatSelector(const Selector& selector) {
  return fmt::format("{}:{}:{}", selector.type, selector.name, selector.value);
}

bool Separates(const Selector& selector) {
  const Kind* kind = FindKind(selector.type, selector.name);
  return kind != nullptr && kind->separates;
}

}  // namespace lodekey::attest
