#include "platform/config_value.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/time.h"
#include "platform/escape.h"

namespace lodekey::platform {
namespace {

constexpr size_t kShownBytes = 80;  // of a foreign value, in an error

struct SizeUnit {
  std::string_view name;
  int64_t bytes;
};
// The largest first: formatting takes the first that divides.
constexpr std::array<SizeUnit, 4> kSizeUnits = {{
    {"GiB", 1 << 30},
    {"MiB", 1 << 20},
    {"KiB", 1 << 10},
    {"", 1},
}};

std::string Shown(const Option& option, std::string_view text) {
  if (option.secret) return "";
  return fmt::format(", not '{}'", EscapeControl(text.substr(0, kShownBytes)));
}

std::unexpected<Error> NotAllowed(const Option& option, std::string_view rule,
                                  std::string_view text) {
  return Fail(Code::kInvalidArgument, fmt::format("must be {}{}", rule, Shown(option, text)));
}

std::string_view KindRule(OptionKind kind) {
  switch (kind) {
    case OptionKind::kText: return "a string";
    case OptionKind::kList: return "a list of strings";
    case OptionKind::kInteger: return "an integer";
    case OptionKind::kFlag: return "true or false";
    case OptionKind::kSpan: return "a duration such as 90s, 10m, 1h or 7d";
    case OptionKind::kSize: return "a size such as 512, 64KiB or 1MiB";
    case OptionKind::kPath: return "an absolute path";
  }
  return "something else";
}

bool ReadInteger(std::string_view text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ReadSize(std::string_view text, int64_t& bytes) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (!text.ends_with(unit.name)) continue;
    text.remove_suffix(unit.name.size());
    return ReadInteger(text, bytes) && bytes >= 0 &&
           !__builtin_mul_overflow(bytes, unit.bytes, &bytes);
  }
  return false;
}

std::string FormatNumber(const Option& option, int64_t number) {
  if (option.kind == OptionKind::kSpan) return FormatDuration(Duration(number));
  if (option.kind != OptionKind::kSize || number == 0) return std::to_string(number);
  const auto unit = std::ranges::find_if(
      kSizeUnits, [&](const SizeUnit& candidate) { return number % candidate.bytes == 0; });
  return fmt::format("{}{}", number / unit->bytes, unit->name);
}

std::string RangeRule(const Option& option) {
  if (option.max == std::numeric_limits<int64_t>::max()) {
    return fmt::format("at least {}", FormatNumber(option, option.min));
  }
  if (option.min == option.max) return fmt::format("exactly {}", FormatNumber(option, option.min));
  return fmt::format("from {} to {}", FormatNumber(option, option.min),
                     FormatNumber(option, option.max));
}

Result<ConfigValue> CheckNumber(const Option& option, int64_t number) {
  if (number >= option.min && number <= option.max) return ConfigValue(number);
  return NotAllowed(option, RangeRule(option), FormatNumber(option, number));
}

bool IsAbsolutePath(const Option& option, std::string_view text) {
  return text.starts_with('/') || (text.empty() && option.fallback == "");
}

// The rules that hold for a text, and for each element of a list.
Result<void> CheckText(const Option& option, std::string_view text) {
  if (!IsPrintable(text)) return NotAllowed(option, "UTF-8 without control characters", text);
  if (!option.choices.empty() && std::ranges::find(option.choices, text) == option.choices.end()) {
    return NotAllowed(option, fmt::format("one of {}", fmt::join(option.choices, ", ")), text);
  }
  if (option.kind == OptionKind::kPath && !IsAbsolutePath(option, text)) {
    return NotAllowed(option, KindRule(option.kind), text);
  }
  if (option.check == nullptr) return {};
  auto checked = option.check(text);
  if (checked || !option.secret) return checked;
  return Fail(Code::kInvalidArgument, "has a value that is not allowed");
}

Result<ConfigValue> TextValue(const Option& option, std::string_view text) {
  if (auto checked = CheckText(option, text); !checked) return std::unexpected(checked.error());
  return ConfigValue(std::string(text));
}

Result<ConfigValue> ListValue(const Option& option, std::vector<std::string> list) {
  const auto count = static_cast<int64_t>(list.size());
  if (count < option.min || count > option.max) {
    return Fail(Code::kInvalidArgument,
                fmt::format("must have {} elements, not {}",
                            RangeRule({.min = option.min, .max = option.max}), count));
  }
  for (const std::string& element : list) {
    if (auto checked = CheckText(option, element); !checked) {
      return std::unexpected(checked.error());
    }
  }
  return ConfigValue(std::move(list));
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> list;
  if (Trim(text).empty()) return list;
  while (true) {
    const size_t comma = text.find(',');
    list.emplace_back(Trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return list;
    text.remove_prefix(comma + 1);
  }
}

std::string_view TypeName(const RawValue& raw) {
  constexpr std::array<std::string_view, 5> kNames = {"a value of another type", "a string",
                                                      "a list", "a boolean", "an integer"};
  return kNames.at(raw.index());
}

}  // namespace

Result<ConfigValue> ParseConfigText(const Option& option, std::string_view text) {
  int64_t number = 0;
  switch (option.kind) {
    case OptionKind::kText:
    case OptionKind::kPath: return TextValue(option, text);
    case OptionKind::kList: return ListValue(option, SplitList(text));
    case OptionKind::kFlag:
      if (text == "true" || text == "false") return ConfigValue(text == "true");
      break;
    case OptionKind::kInteger:
      if (ReadInteger(text, number)) return CheckNumber(option, number);
      break;
    case OptionKind::kSize:
      if (ReadSize(text, number)) return CheckNumber(option, number);
      break;
    case OptionKind::kSpan:
      if (const auto span = ParseDuration(text)) return CheckNumber(option, span->count());
      break;
  }
  return NotAllowed(option, KindRule(option.kind), text);
}

Result<ConfigValue> ParseConfigRaw(const Option& option, const RawValue& raw) {
  const OptionKind kind = option.kind;
  const auto* number = std::get_if<int64_t>(&raw);
  const auto* text = std::get_if<std::string>(&raw);
  const auto* list = std::get_if<std::vector<std::string>>(&raw);
  const auto* flag = std::get_if<bool>(&raw);
  if (number != nullptr && (kind == OptionKind::kInteger || kind == OptionKind::kSize)) {
    return CheckNumber(option, *number);
  }
  if (flag != nullptr && kind == OptionKind::kFlag) return ConfigValue(*flag);
  if (list != nullptr && kind == OptionKind::kList) return ListValue(option, *list);
  const bool as_text = kind == OptionKind::kText || kind == OptionKind::kPath ||
                       kind == OptionKind::kSpan || kind == OptionKind::kSize;
  if (text != nullptr && as_text) return ParseConfigText(option, *text);
  return Fail(Code::kInvalidArgument,
              fmt::format("must be {}, not {}", KindRule(kind), TypeName(raw)));
}

std::string FormatConfigValue(const Option& option, const ConfigValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<int64_t>(&value)) return FormatNumber(option, *number);
  return fmt::format("{}", fmt::join(std::get<std::vector<std::string>>(value), ","));
}

}  // namespace lodekey::platform
