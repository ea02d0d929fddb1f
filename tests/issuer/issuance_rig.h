// What tests of issuance begin with: an issuer that has admitted a host.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "issuer/issuance.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"

namespace lodekey::test {

class IssuanceTest : public testing::Test {
 protected:
  explicit IssuanceTest(const AdjustConfig& adjust = {}) : issuer(adjust) { issuer.Admit(host); }

  Result<node::IssueResponse> Issue(const std::vector<node::IssueItem>& items) const {
    return issuer.Issue(host.certificate(), RequestOf(items));
  }
  // The answer to one item.
  node::IssueOutcome Get(const node::IssueItem& item) const {
    return Must(Issue({item})).outcomes(0);
  }
  attest::Entry Entry(const std::function<void(attest::Entry&)>& change = {}) const {
    attest::Entry entry = EntryFor(host);
    if (change) change(entry);
    return issuer.Put(entry);
  }
  issuer::CredentialRecord Credential(ByteView serial) const {
    std::optional<issuer::CredentialRecord> found;
    Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
      ASSIGN_OR_RETURN(found, view.FindCredential(serial), "credential");
      return {};
    }));
    return found.value();
  }
  // The audit lines of this event.
  std::vector<nlohmann::json> Lines(const std::string& event) const {
    auto records = issuer.AuditRecords();
    std::erase_if(records, [&](const auto& record) { return record["event"] != event; });
    return records;
  }

  IssuerRig issuer;
  Host host;
};

}  // namespace lodekey::test
