#include "issuer/workload_request.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "issuer/entry_record.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

std::unexpected<Error> Invalid(std::string text, std::string name, std::string advice = {}) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = std::move(name), .advice = std::move(advice)});
}

Result<attest::Grade> ReadGrade(const std::string& name) {
  using enum attest::Grade;
  constexpr std::array kGrades = {kProved, kKernelMeasured, kRecorded, kObserved, kDeclared};
  const auto grade = std::ranges::find(kGrades, name, attest::GradeName);
  if (grade != kGrades.end()) return *grade;
  return Invalid("a selector has no grade that is known", "selector-invalid");
}

Result<std::vector<attest::GradedSelector>> ReadSelectors(const node::IssueItem& item) {
  if (static_cast<size_t>(item.selectors_size()) > kMaxItemSelectors)
    return Invalid(fmt::format("more than {} selectors", kMaxItemSelectors), "issue-malformed");
  std::vector<attest::GradedSelector> selectors;
  selectors.reserve(static_cast<size_t>(item.selectors_size()));
  for (const node::GradedSelector& message : item.selectors()) {
    ASSIGN_OR_RETURN(attest::Selector selector, attest::ParseSelector(message.selector()), "item");
    ASSIGN_OR_RETURN(const attest::Grade grade, ReadGrade(message.grade()), "item");
    selectors.push_back({.selector = std::move(selector), .grade = grade});
  }
  return selectors;
}

// The point is checked to be on the curve as the key is read.
Result<crypto::PublicKey> ReadKey(const std::string& der) {
  if (der.size() <= kMaxWorkloadKeySize) {
    auto key = crypto::PublicKey::FromSpkiDer(AsBytes(der));
    if (key && key->type() == crypto::KeyType::kEcP256) return *std::move(key);
  }
  return Invalid("the public key is not one on P-256", "public-key-invalid",
                 "Make a key on P-256 and send its SubjectPublicKeyInfo.");
}

bool HasControls(const std::string& text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

Result<Audiences> ReadAudiences(const node::JwtRequest& request) {
  const auto fits = [](const std::string& audience) {
    return !audience.empty() && audience.size() <= kMaxAudienceSize && !HasControls(audience);
  };
  const auto& audiences = request.audiences();
  if (!audiences.empty() && static_cast<size_t>(audiences.size()) <= kMaxTokenAudiences &&
      std::ranges::all_of(audiences, fits))
    return Audiences(audiences.begin(), audiences.end());
  return Invalid(fmt::format("a JWT-SVID is for 1 to {} audiences of at most {} bytes each",
                             kMaxTokenAudiences, kMaxAudienceSize),
                 "audience-invalid", "Name whom the token is for.");
}

// scope-token of RFC 6749, section 3.3: %x21, %x23-5B, %x5D-7E.
bool IsScopeToken(const std::string& scope) {
  return !scope.empty() && scope.size() <= kMaxScopeSize && std::ranges::all_of(scope, [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
  });
}

// In the order in which they were asked for, each once: the token repeats them.
Result<std::vector<std::string>> ReadScopes(const node::JwtRequest& request) {
  std::vector<std::string> scopes(request.scopes().begin(), request.scopes().end());
  std::vector<std::string> sorted = scopes;
  std::ranges::sort(sorted);
  if (scopes.size() <= kMaxTokenScopes && std::ranges::all_of(scopes, IsScopeToken) &&
      std::ranges::adjacent_find(sorted) == sorted.end())
    return scopes;
  return Invalid(fmt::format("a JWT-SVID has at most {} scopes, each once and a scope-token of RFC "
                             "6749 of at most {} bytes",
                             kMaxTokenScopes, kMaxScopeSize),
                 "scope-invalid", "Name each scope on its own, without blanks.");
}

Result<std::string> ReadTask(const node::JwtRequest& request) {
  if (request.task().size() <= kMaxTaskSize && !HasControls(request.task())) return request.task();
  return Invalid(
      fmt::format("a task has at most {} bytes, and no control characters", kMaxTaskSize),
      "task-invalid", "Give the task a shorter name.");
}

}  // namespace

Result<WorkloadRequest> ReadIssueItem(const node::IssueItem& item) {
  if (item.entry_id().empty() || item.entry_id().size() > kMaxEntryId)
    return Invalid("the item names no entry", "issue-malformed");
  ASSIGN_OR_RETURN(auto selectors, ReadSelectors(item), "selectors");
  const auto with = [&](auto subject) {
    return WorkloadRequest{.entry_id = item.entry_id(),
                           .entry_revision = item.entry_revision(),
                           .selectors = std::move(selectors),
                           .subject = std::move(subject),
                           .scopes = {},
                           .task = {}};
  };
  switch (item.kind_case()) {
    case node::IssueItem::kX509: {
      ASSIGN_OR_RETURN(auto key, ReadKey(item.x509().public_key()), "X.509-SVID");
      return with(std::move(key));
    }
    case node::IssueItem::kJwt: {
      ASSIGN_OR_RETURN(auto audiences, ReadAudiences(item.jwt()), "JWT-SVID");
      WorkloadRequest request = with(std::move(audiences));
      ASSIGN_OR_RETURN(request.scopes, ReadScopes(item.jwt()), "JWT-SVID");
      ASSIGN_OR_RETURN(request.task, ReadTask(item.jwt()), "JWT-SVID");
      return request;
    }
    case node::IssueItem::KIND_NOT_SET: break;
  }
  return Invalid("the item asks for no kind of credential", "issue-malformed");
}

}  // namespace lodekey::issuer
