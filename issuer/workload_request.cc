#include "issuer/workload_request.h"

#include <algorithm>

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
  if (const auto grade = attest::ParseGrade(name)) return *grade;
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

// Audiences and scopes in the order in which they were asked for: the token repeats them.
Result<attest::TokenPurpose> ReadPurpose(const node::JwtRequest& request) {
  attest::TokenPurpose purpose{
      .audiences = {request.audiences().begin(), request.audiences().end()},
      .scopes = {request.scopes().begin(), request.scopes().end()},
      .task = request.task()};
  RETURN_IF_ERROR(attest::CheckPurpose(purpose), "JWT-SVID");
  std::vector<std::string> scopes = purpose.scopes;
  std::ranges::sort(scopes);
  if (std::ranges::adjacent_find(scopes) == scopes.end()) return purpose;
  return Invalid("a scope stands twice", "scope-invalid", "Name each scope once.");
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
      ASSIGN_OR_RETURN(attest::TokenPurpose purpose, ReadPurpose(item.jwt()), "item");
      WorkloadRequest request = with(std::move(purpose.audiences));
      request.scopes = std::move(purpose.scopes);
      request.task = std::move(purpose.task);
      return request;
    }
    case node::IssueItem::KIND_NOT_SET: break;
  }
  return Invalid("the item asks for no kind of credential", "issue-malformed");
}

}  // namespace lodekey::issuer
