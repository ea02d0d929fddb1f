#include "attest/token_purpose.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lodekey::attest {
namespace {

std::unexpected<Error> BadAudience(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "audience-invalid",
               .advice = "Name who is to accept the token, for example 'vault'."});
}

std::unexpected<Error> BadScope(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "scope-invalid",
               .advice = "Name what the token is to allow, for example 'read', without spaces, "
                         "quotes or backslashes."});
}

// RFC 6749, section 3.3: %x21 / %x23-5B / %x5D-7E.
bool IsScopeCharacter(char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; }

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

bool IsControl(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

void OrderEachOnce(std::vector<std::string>& names) {
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
}

}  // namespace

Result<void> CheckAudience(std::string_view audience) {
  if (audience.empty()) return BadAudience("an audience is required");
  if (audience.size() > kMaxAudienceSize)
    return BadAudience(fmt::format("an audience has at most {} bytes", kMaxAudienceSize));
  if (std::ranges::any_of(audience, IsControl))
    return BadAudience("an audience has a control character");
  return {};
}

Result<void> CheckScopes(const std::vector<std::string>& scopes) {
  if (scopes.size() > kMaxScopes)
    return BadScope(fmt::format("a token has at most {} scopes", kMaxScopes));
  for (const std::string& scope : scopes) {
    if (scope.empty() || scope.size() > kMaxScopeSize)
      return BadScope(fmt::format("a scope has 1 to {} bytes", kMaxScopeSize));
    if (!std::ranges::all_of(scope, IsScopeCharacter))
      return BadScope("a scope has a character that RFC 6749, section 3.3, does not allow");
  }
  return {};
}

Result<void> CheckTask(std::string_view task) {
  if (task.size() <= kMaxTaskSize && std::ranges::all_of(task, IsPrintable)) return {};
  return Fail(
      Code::kInvalidArgument,
      fmt::format("a task is longer than {} bytes, or not printable ASCII", kMaxTaskSize),
      {.name = "task-invalid", .advice = "Name the task shortly, for example 'nightly-backup'."});
}

Result<void> CheckPurpose(const TokenPurpose& purpose) {
  if (purpose.audiences.empty()) return BadAudience("an audience is required");
  if (purpose.audiences.size() > kMaxAudiences)
    return BadAudience(fmt::format("a token has at most {} audiences", kMaxAudiences));
  for (const std::string& audience : purpose.audiences)
    RETURN_IF_ERROR(CheckAudience(audience), "JWT-SVID");
  RETURN_IF_ERROR(CheckScopes(purpose.scopes), "JWT-SVID");
  return CheckTask(purpose.task);
}

std::vector<std::string> SplitScopes(std::string_view text) {
  std::vector<std::string> scopes;
  for (size_t begin = 0;;) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    scopes.emplace_back(text.substr(begin, end - begin));
    if (end == text.size()) return scopes;
    begin = end + 1;
  }
}

Result<TokenPurpose> Canonical(TokenPurpose purpose) {
  RETURN_IF_ERROR(CheckPurpose(purpose), "JWT-SVID");
  OrderEachOnce(purpose.audiences);
  OrderEachOnce(purpose.scopes);
  return purpose;
}

std::string DescribePurpose(const TokenPurpose& purpose) {
  std::string text = fmt::format("JWT-SVID for {}", fmt::join(purpose.audiences, ", "));
  if (!purpose.scopes.empty()) text += fmt::format(", scope {}", fmt::join(purpose.scopes, " "));
  if (!purpose.task.empty()) text += fmt::format(", task {}", purpose.task);
  return text;
}

}  // namespace lodekey::attest
