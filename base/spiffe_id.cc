#include "base/spiffe_id.h"

#include <algorithm>

#include <fmt/format.h>

namespace lodekey {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kLongest = 2048;
constexpr size_t kLongestTrustDomain = 255;
constexpr size_t kShown = 80;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsMark(char c) { return c == '.' || c == '-' || c == '_'; }

// Foreign bytes, as far as they may be shown.
std::string Shown(std::string_view text) {
  std::string shown(text.substr(0, kShown));
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return shown;
}

std::unexpected<Error> Invalid(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "spiffe-id-invalid"});
}

Result<void> CheckSegment(std::string_view segment) {
  if (segment.empty()) return Invalid("an empty path segment");
  if (segment == "." || segment == "..") return Invalid("a path segment '.' or '..'");
  const bool allowed = std::ranges::all_of(
      segment, [](char c) { return IsDigit(c) || IsLower(c) || IsUpper(c) || IsMark(c); });
  if (allowed) return {};
  return Invalid(
      fmt::format("the path segment '{}' has other characters than letters, digits, '.', '-' and "
                  "'_'",
                  Shown(segment)));
}

}  // namespace

Result<void> CheckTrustDomain(std::string_view text) {
  const bool allowed =
      !text.empty() && text.size() <= kLongestTrustDomain &&
      std::ranges::all_of(text, [](char c) { return IsDigit(c) || IsLower(c) || IsMark(c); });
  if (allowed) return {};
  return Invalid(fmt::format(
      "must be a SPIFFE trust domain (1 to {} lower-case letters, digits, '.', '-' and '_'), not "
      "'{}'",
      kLongestTrustDomain, Shown(text)));
}

Result<void> CheckSpiffePath(std::string_view path) {
  while (!path.empty()) {
    if (path.front() != '/') return Invalid("a path that does not begin with '/'");
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    RETURN_IF_ERROR(CheckSegment(path.substr(0, end)), "path");
    path.remove_prefix(end);
  }
  return {};
}

Result<SpiffeId> ParseSpiffeId(std::string_view text) {
  if (text.size() > kLongest) return Invalid(fmt::format("longer than {} bytes", kLongest));
  if (!text.starts_with(kScheme))
    return Invalid(fmt::format("'{}' does not begin with {}", Shown(text), kScheme));
  const std::string_view rest = text.substr(kScheme.size());
  const size_t end = std::min(rest.find('/'), rest.size());
  RETURN_IF_ERROR(CheckTrustDomain(rest.substr(0, end)), "trust domain");
  RETURN_IF_ERROR(CheckSpiffePath(rest.substr(end)), "path");
  return SpiffeId{.trust_domain = std::string(rest.substr(0, end)),
                  .path = std::string(rest.substr(end))};
}

}  // namespace lodekey
