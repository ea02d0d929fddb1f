#include "platform/toml_document.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "platform/escape.h"
#include "platform/toml_guard.h"

namespace lodekey::platform {
namespace {

constexpr std::string_view kBareKeyChars =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

RawValue ToRaw(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* number = node.as_integer()) return number->get();
  const toml::array* array = node.as_array();
  if (array == nullptr) return {};
  std::vector<std::string> list;
  for (const toml::node& element : *array) {
    if (!element.is_string()) return {};
    list.push_back(element.as_string()->get());
  }
  return list;
}

// A part that needed quotes keeps them, so that "tpm.tcti" = … is not taken for tcti under [tpm].
std::string PartName(std::string_view part) {
  const bool bare =
      !part.empty() && part.find_first_not_of(kBareKeyChars) == std::string_view::npos;
  return bare ? std::string(part) : fmt::format("\"{}\"", EscapeControl(part));
}

void Flatten(const toml::table& table, const std::string& prefix, std::vector<TomlEntry>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + PartName(key.str());
    if (const toml::table* inner = node.as_table()) {
      Flatten(*inner, name + ".", out);
      continue;
    }
    const toml::source_position at = key.source().begin;
    out.push_back({.key = name, .value = ToRaw(node), .line = at.line, .column = at.column});
  }
}

}  // namespace

Result<std::vector<TomlEntry>> ParseToml(std::string_view text) {
  if (text.size() > kTomlMaxBytes) {
    return Fail(Code::kInvalidArgument, fmt::format("larger than {} bytes", kTomlMaxBytes));
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (auto bearable = CheckTomlIsBearable(text); !bearable)
    return std::unexpected(bearable.error());
  std::vector<TomlEntry> entries;
  try {
    Flatten(toml::parse(text), "", entries);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return Fail(Code::kInvalidArgument,
                fmt::format("{}:{}: {}", at.line, at.column, EscapeControl(error.description())));
  }
  std::ranges::sort(entries, {}, [](const TomlEntry& e) { return std::pair(e.line, e.column); });
  return entries;
}

}  // namespace lodekey::platform
