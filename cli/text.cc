#include "cli/text.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kLongHex = 24;
constexpr size_t kShortHex = 8;

// Columns of a terminal, near enough: code points.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string Cell(const std::string& text) {
  return text.empty() ? "-" : platform::EscapeControl(text);
}

std::string FormatRow(const Row& cells, const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size()) line.append(widths[i] - Width(cells[i]) + kGap, ' ');
  }
  return line + "\n";
}

bool IsHexDigit(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string FormatTable(const Row& header, const std::vector<Row>& rows) {
  std::vector<Row> lines{header};
  for (const Row& row : rows) {
    Row& cells = lines.emplace_back();
    for (const std::string& text : row) cells.push_back(Cell(text));
    cells.resize(header.size(), "-");
  }
  std::vector<size_t> widths(header.size(), 0);
  for (const Row& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Width(line[i]));
  }
  std::string text;
  for (const Row& line : lines) text += FormatRow(line, widths);
  return text;
}

std::string FormatFields(const std::vector<Field>& fields) {
  size_t width = 0;
  for (const auto& [name, value] : fields) {
    if (!value.empty()) width = std::max(width, Width(name));
  }
  std::string text;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    const std::string pad(width - Width(name) + kGap, ' ');
    text += fmt::format("{}:{}{}\n", name, pad, platform::EscapeControl(value));
  }
  return text;
}

std::string FormatUnixMs(int64_t unix_ms) {
  return unix_ms == 0 ? std::string() : FormatTime(Time(Duration(unix_ms)));
}

std::string FormatRoughly(Duration duration) {
  struct Unit {
    Duration length;
    std::string_view name;
  };
  static constexpr std::array kUnits = {
      Unit{std::chrono::hours(24), "day"}, Unit{std::chrono::hours(1), "hour"},
      Unit{std::chrono::minutes(1), "minute"}, Unit{std::chrono::seconds(1), "second"}};
  const auto unit = std::ranges::find_if(
      kUnits, [&](const Unit& candidate) { return duration >= candidate.length; });
  if (unit == kUnits.end()) return "0 seconds";
  const auto count = duration / unit->length;
  return fmt::format("{} {}{}", count, unit->name, count == 1 ? "" : "s");
}

std::string AbbreviateHex(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(at);
    const auto run = static_cast<size_t>(std::find_if_not(begin, text.end(), IsHexDigit) - begin);
    const size_t taken = std::max<size_t>(run, 1);
    result += run >= kLongHex ? std::string(text.substr(at, kShortHex)) + "…"
                              : std::string(text.substr(at, taken));
    at += taken;
  }
  return result;
}

}  // namespace lodekey::cli
