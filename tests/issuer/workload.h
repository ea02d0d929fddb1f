// Workloads of a host, as its agent tells the issuer of them.
#pragma once

#include <string>
#include <vector>

#include "attest/entry.h"
#include "crypto/private_key.h"
#include "lodekey/node/v1/node_service.pb.h"
#include "tests/issuer/host.h"

namespace lodekey::test {

// For processes of uid 1000 on this host: spiffe://example.org/web, JWT-SVIDs for "db".
attest::Entry EntryFor(const Host& host, const std::string& path = "web");

// Ask for a credential of the entry for a process that has its selectors. Every X.509-SVID is for
// one and the same key: WorkloadKey().
node::IssueItem X509Item(const attest::Entry& entry);
node::IssueItem JwtItem(const attest::Entry& entry, const std::string& audience = "db");
node::IssueRequest RequestOf(const std::vector<node::IssueItem>& items);
const crypto::PrivateKey& WorkloadKey();

// What came back for one item: "x509", "jwt", "needs-evidence", or the code of the refusal; the
// name of the error when the call failed, and all of them with blanks between for several items.
std::string Answer(const node::IssueOutcome& outcome);
std::string Answer(const Result<node::IssueResponse>& response);

// Leaf first.
std::vector<crypto::Certificate> ChainOf(const node::IssueOutcome& outcome);

}  // namespace lodekey::test
