#include "tests/issuer/workload.h"

#include "attest/codec.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

node::IssueItem ItemOf(const attest::Entry& entry) {
  node::IssueItem item;
  item.set_entry_id(entry.id);
  item.set_entry_revision(entry.revision);
  for (const attest::Selector& selector : entry.selectors) {
    node::GradedSelector& reported = *item.add_selectors();
    reported.set_selector(attest::FormatSelector(selector));
    reported.set_grade("observed");
  }
  return item;
}

}  // namespace

attest::Entry EntryFor(const Host& host, const std::string& path) {
  return {.spiffe_id = "spiffe://example.org/" + path,
          .scope = {.nodes = {host.id()}},
          .selectors = {{.type = "unix", .name = "uid", .value = "1000"}},
          .jwt_audiences = {"db"}};
}

const crypto::PrivateKey& WorkloadKey() {
  static const crypto::PrivateKey key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  return key;
}

node::IssueItem X509Item(const attest::Entry& entry) {
  node::IssueItem item = ItemOf(entry);
  item.mutable_x509()->set_public_key(attest::ToField(WorkloadKey().public_key().spki_der()));
  return item;
}

node::IssueItem JwtItem(const attest::Entry& entry, const std::string& audience) {
  node::IssueItem item = ItemOf(entry);
  item.mutable_jwt()->add_audiences(audience);
  return item;
}

node::IssueRequest RequestOf(const std::vector<node::IssueItem>& items) {
  node::IssueRequest request;
  for (const node::IssueItem& item : items) *request.add_items() = item;
  return request;
}

std::string Answer(const node::IssueOutcome& outcome) {
  switch (outcome.outcome_case()) {
    case node::IssueOutcome::kX509: return "x509";
    case node::IssueOutcome::kJwt: return "jwt";
    case node::IssueOutcome::kRefused: return outcome.refused().code();
    case node::IssueOutcome::kNeedsEvidence: return "needs-evidence";
    case node::IssueOutcome::OUTCOME_NOT_SET: break;
  }
  return "nothing";
}

std::string Answer(const Result<node::IssueResponse>& response) {
  if (!response) return std::string(response.error().Name());
  std::string text;
  for (const node::IssueOutcome& outcome : response->outcomes())
    text += (text.empty() ? "" : " ") + Answer(outcome);
  return text;
}

std::vector<crypto::Certificate> ChainOf(const node::IssueOutcome& outcome) {
  std::vector<crypto::Certificate> chain;
  for (const std::string& der : outcome.x509().certificates())
    chain.push_back(Must(crypto::Certificate::FromDer(AsBytes(der))));
  return chain;
}

}  // namespace lodekey::test
