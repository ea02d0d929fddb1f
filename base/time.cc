#include "base/time.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace lodekey {
namespace {

struct Unit {
  std::string_view name;
  Duration length;
};

constexpr std::array<Unit, 5> kUnits = {{
    {"d", std::chrono::hours(24)},
    {"h", std::chrono::hours(1)},
    {"m", std::chrono::minutes(1)},
    {"s", std::chrono::seconds(1)},
    {"ms", Duration(1)},
}};

constexpr Duration kLongest = std::chrono::hours(24 * 3660);

std::unexpected<Error> BadTime(std::string_view text) {
  return Fail(Code::kInvalidArgument,
              fmt::format("'{}' is not a time such as 2026-01-31T09:30:00Z", text));
}

// Reads exactly `digits` decimal digits from the front of `text`.
bool TakeNumber(std::string_view& text, size_t digits, int& value) {
  if (text.size() < digits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || value < 0) return false;
  text.remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string FormatTime(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<Time> ParseTime(std::string_view text) {
  std::string_view rest = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0;
  const bool date_ok = TakeNumber(rest, 4, year) && TakeChar(rest, '-') &&
                       TakeNumber(rest, 2, month) && TakeChar(rest, '-') &&
                       TakeNumber(rest, 2, day);
  const bool time_ok = date_ok && TakeChar(rest, 'T') && TakeNumber(rest, 2, hour) &&
                       TakeChar(rest, ':') && TakeNumber(rest, 2, minute) && TakeChar(rest, ':') &&
                       TakeNumber(rest, 2, second);
  const bool fraction_ok = time_ok && (!TakeChar(rest, '.') || TakeNumber(rest, 3, fraction));
  if (!fraction_ok || rest != "Z" || hour > 23 || minute > 59 || second > 59) return BadTime(text);
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return BadTime(text);
  return Time(std::chrono::sys_days(date) + std::chrono::hours(hour) +
              std::chrono::minutes(minute) + std::chrono::seconds(second) + Duration(fraction));
}

Result<Duration> ParseDuration(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Unit& unit : kUnits) {
    if (error != std::errc() || suffix != unit.name) continue;
    if (number > kLongest / unit.length) break;
    return Duration(unit.length * number);
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("'{}' is not a duration such as 90s, 10m, 1h or 7d", text));
}

std::string FormatDuration(Duration duration) {
  for (const Unit& unit : kUnits) {
    if (duration.count() != 0 && duration % unit.length == Duration(0)) {
      return fmt::format("{}{}", duration / unit.length, unit.name);
    }
  }
  return "0s";
}

}  // namespace lodekey
