#include "issuer/issuance.h"

#include "crypto/certificate_builder.h"
#include "issuer/workload_request.h"
#include "tests/issuer/issuance_rig.h"

namespace lodekey::test {
namespace {

using issuer::CredentialKind;
using issuer::Standing;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// --- A batch ---

TEST_F(IssuanceTest, DecidesEachItemOnItsOwn) {
  const auto web = Entry();
  const auto batch = Entry([](auto& written) { written.spiffe_id = "spiffe://example.org/batch"; });
  auto unknown = X509Item(web);
  unknown.set_entry_id("0198");
  auto garbled = X509Item(web);
  garbled.mutable_x509()->set_public_key("not DER");
  auto forged = X509Item(web);
  forged.mutable_selectors(0)->set_grade("proved");
  const auto response = Issue({X509Item(web), unknown, JwtItem(batch), garbled,
                               JwtItem(web, "billing"), forged, X509Item(batch)});
  EXPECT_EQ(Answer(response),
            "x509 entry-unknown jwt public-key-invalid audience-not-allowed selector-grade x509");
  EXPECT_EQ(ChainOf(response->outcomes(6)).front().UriSans(),
            std::vector<std::string>{"spiffe://example.org/batch"});
  EXPECT_FALSE(response->outcomes(4).refused().text().empty());
  EXPECT_FALSE(response->outcomes(4).refused().advice().empty());
  EXPECT_EQ(response->time_unix_ms(), issuer.now.time_since_epoch().count());
  EXPECT_EQ(response->audit_head().seq(), issuer.AuditRecords().size());
}

TEST_F(IssuanceTest, TakesAsManyItemsAsARestartNeedsAndNoMore) {
  const auto entry = Entry();
  std::vector<node::IssueItem> items(issuer::kMaxIssueItems, X509Item(entry));
  EXPECT_EQ(Must(Issue(items)).outcomes_size(), static_cast<int>(issuer::kMaxIssueItems));
  items.push_back(items.front());
  EXPECT_EQ(Answer(Issue(items)), "issue-malformed");
  EXPECT_EQ(Answer(Issue({})), "issue-malformed");
}

TEST_F(IssuanceTest, ARestartWithAThousandWorkloadsPassesTheLimit) {
  const auto proven = Must(issuer.attestation->Identify(host.certificate()));
  for (size_t i = 0; i * issuer::kMaxIssueItems < 1000; ++i) Must(issuer.issuance->Charge(proven));
  Result<void> charged;
  for (int i = 0; i < 1000 && charged; ++i) charged = issuer.issuance->Charge(proven);
  ASSERT_FALSE(charged);
  EXPECT_EQ(charged.error().Name(), "too-many-issuances");
}

// Each item leaves a line in the audit log.
TEST_F(IssuanceTest, ANodeAsksForNoMoreItemsThanItMay) {
  const auto proven = Must(issuer.attestation->Identify(host.certificate()));
  const node::IssueRequest request =
      RequestOf(std::vector<node::IssueItem>(issuer::kMaxIssueItems, node::IssueItem()));
  std::string answer;
  uint32_t calls = 0;
  for (; calls < 1000 && answer != "too-many-issuances"; ++calls) {
    std::promise<std::string> promise;
    issuer.issuance->Issue(proven, request, kCaller.address,
                           [&](const auto& response) { promise.set_value(Answer(response)); });
    answer = promise.get_future().get();
  }
  EXPECT_EQ(answer, "too-many-issuances");
  EXPECT_GT(calls, issuer::Issuance::kItemsAtOnce / issuer::kMaxIssueItems);
}

// --- What is recorded ---

TEST_F(IssuanceTest, RecordsEachCredentialWithItsEntryBeforeItIsGiven) {
  const auto entry = Entry();
  const auto response = Must(Issue({X509Item(entry), JwtItem(entry)}));
  const auto lines = Lines("credential.issued");
  ASSERT_EQ(lines.size(), 3U) << "the node's own before them";
  const crypto::Certificate leaf = ChainOf(response.outcomes(0)).front();
  const auto& x509 = lines[1];
  EXPECT_EQ(x509["kind"], "x509");
  EXPECT_EQ(x509["entry"], entry.id);
  EXPECT_EQ(x509["node"], host.id());
  EXPECT_EQ(x509["spiffe_id"], "spiffe://example.org/web");
  EXPECT_EQ(x509["serial"], ToHex(leaf.serial()));
  EXPECT_EQ(x509["tbs_sha256"], ToHex(crypto::Sha256(TbsOf(leaf))));
  EXPECT_EQ(lines[2]["kind"], "jwt");

  const auto credential = Credential(leaf.serial());
  EXPECT_EQ(credential.kind, CredentialKind::kX509);
  EXPECT_EQ(credential.entry, entry.id);
  EXPECT_EQ(credential.state, issuer::CredentialState::kIssued);
  EXPECT_EQ(issuer.AuditRecords().at(credential.audit_seq - 1), x509);
}

TEST_F(IssuanceTest, GivesNothingThatCannotBeRecorded) {
  const auto entry = Entry();
  issuer.store->Fail(
      Error{.code = Code::kUnavailable, .text = "full", .name = "audit-unavailable"});
  EXPECT_EQ(Answer(Issue({X509Item(entry)})), "audit-unavailable");
  issuer.store->Fail({});
  EXPECT_EQ(Answer(Issue({X509Item(entry)})), "x509");
}

TEST_F(IssuanceTest, TheSameRequestAgainGetsOtherSerials) {
  const auto entry = Entry();
  const auto request = RequestOf({X509Item(entry)});
  const auto first = ChainOf(Must(issuer.Issue(host.certificate(), request)).outcomes(0));
  const auto second = ChainOf(Must(issuer.Issue(host.certificate(), request)).outcomes(0));
  EXPECT_NE(first.front().serial(), second.front().serial());
}

TEST_F(IssuanceTest, AThrowingEndCostsItsReplyAlone) {
  const auto entry = Entry();
  issuer.store->Hold();
  auto answer = issuer.IssueLater(host.certificate(), RequestOf({X509Item(entry)}));
  EXPECT_EQ(Answer(issuer.ReleaseThrowing(std::move(answer))), "internal");
  EXPECT_EQ(Answer(Issue({X509Item(entry)})), "x509");
}

// --- What changes between decision and commit ---

TEST_F(IssuanceTest, AnEntryThatChangesMeanwhileGivesNothing) {
  const auto of_user = [&](const char* uid) {
    return Entry([&](auto& written) { written.selectors.front().value = uid; });
  };
  auto changed = of_user("1000");
  const auto deleted = of_user("1001"), kept = of_user("1002");
  issuer.store->Between([&] {
    issuer.Delete(deleted);
    issuer.Put(changed);
  });
  EXPECT_EQ(Answer(Issue({X509Item(changed), X509Item(deleted), X509Item(kept)})),
            "entry-changed entry-changed x509");
  EXPECT_EQ(Lines("credential.issued").size(), 2U);
  // The policy allowed them: its decisions are on record, and so is what became of them.
  const auto refused = Lines("credential.refused");
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0]["entry"], changed.id);
  EXPECT_EQ(refused[0]["withheld"], "entry-changed");
  EXPECT_TRUE(refused[0]["policy"]["reasons"].empty());
}

TEST_F(IssuanceTest, ANodeThatIsRemovedMeanwhileGetsNothing) {
  const auto entry = Entry();
  issuer.store->Hold();
  auto answer = issuer.IssueLater(host.certificate(), RequestOf({X509Item(entry)}));
  Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    ASSIGN_OR_RETURN(auto record, transaction.FindNode(host.id()), "node");
    record->standing = Standing::kRemoved;
    return transaction.PutNode(*record);
  }));
  issuer.store->Release();
  EXPECT_EQ(Answer(answer.get()), "node-removed");
  EXPECT_EQ(Lines("credential.issued").size(), 1U);
}

TEST_F(IssuanceTest, LabelsThatChangeMeanwhileLeadToAnotherLook) {
  const auto entry = Entry([](auto& written) { written.scope = {.labels = {{"site", "berlin"}}}; });
  Must(issuer.inventory->Allow(host.id(), {{"site", "berlin"}}, "uid 0"));
  issuer.store->Hold();
  auto answer = issuer.IssueLater(host.certificate(), RequestOf({X509Item(entry)}));
  Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    ASSIGN_OR_RETURN(auto record, transaction.FindNode(host.id()), "node");
    record->labels = {{"site", "paris"}};
    return transaction.PutNode(*record);
  }));
  issuer.store->Release();
  EXPECT_EQ(Answer(answer.get()), "entry-changed");
  EXPECT_EQ(Answer(Issue({X509Item(entry)})), "entry-not-for-node");
}

// --- Evidence ---

class ShortEvidenceTest : public IssuanceTest {
 protected:
  // Five seconds before the end of the host's certificate.
  ShortEvidenceTest() { issuer.Pass(issuer.config.node_ttl - seconds(5)); }
  node::NextStep Wanted(const attest::Entry& entry) const {
    const auto outcome = Get(X509Item(entry));
    EXPECT_EQ(Answer(outcome), "needs-evidence");
    return outcome.needs_evidence();
  }
};

TEST_F(ShortEvidenceTest, IsAskedForOverANonceOfThirtySecondsAndThenGiven) {
  const auto entry = Entry();
  host.next = Wanted(entry);
  EXPECT_EQ(host.next.nonce_life_ms(), 30'000);
  EXPECT_EQ(host.next.attest_in_ms(), 0);
  ASSERT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
  const auto chain = ChainOf(Get(X509Item(entry)));
  ASSERT_EQ(chain.size(), 2U);
  EXPECT_EQ(chain.front().not_after(), issuer.now + hours(1));
}

TEST_F(ShortEvidenceTest, IsOneAndTheSameForAllItemsAndForCallsThatFollow) {
  const auto entry = Entry();
  const auto response = Must(Issue({X509Item(entry), JwtItem(entry)}));
  EXPECT_EQ(Answer(response), "needs-evidence needs-evidence");
  const std::string nonce = response.outcomes(0).needs_evidence().nonce();
  EXPECT_EQ(response.outcomes(1).needs_evidence().nonce(), nonce);
  EXPECT_EQ(Wanted(entry).nonce(), nonce);
  issuer.Pass(seconds(4));
  EXPECT_EQ(Wanted(entry).nonce(), nonce);
  EXPECT_EQ(Wanted(entry).nonce_life_ms(), 26'000);
  EXPECT_LE(issuer.Record(host).nonces.size(), 3U);
}

TEST_F(IssuanceTest, NoCredentialOutlivesTheNodesCertificate) {
  const auto entry = Entry([](auto& written) {
    written.x509_ttl = hours(24);
    written.jwt_ttl = hours(1);
  });
  issuer.Pass(minutes(20));
  const auto response = Must(Issue({X509Item(entry), JwtItem(entry)}));
  const Time end = host.certificate().not_after();
  EXPECT_EQ(ChainOf(response.outcomes(0)).front().not_after(), end);
  EXPECT_EQ(response.outcomes(1).jwt().expires_unix_ms(), end.time_since_epoch().count());
}

// --- Who asks ---

TEST_F(IssuanceTest, AWorkloadsCertificateIsNoNodes) {
  const auto entry = Entry();
  const auto leaf = ChainOf(Get(X509Item(entry))).front();
  EXPECT_EQ(Answer(issuer.Issue(leaf, RequestOf({X509Item(entry)}))), "peer-certificate");
  EXPECT_EQ(Answer(issuer.Attest(leaf, {})), "peer-certificate");
}

// Even where it has the node's key and, by some other hole, its name.
TEST_F(IssuanceTest, ACredentialOfAnotherKindIsNoNodesWhateverItSays) {
  const crypto::Certificate own = host.certificate();
  auto credential = Credential(own.serial());
  credential.serial.back() ^= 1;
  credential.kind = CredentialKind::kX509;
  credential.entry = "0198";
  Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    transaction.Audit(R"({"event":"test"})");
    return transaction.PutCredential(credential);
  }));
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const auto issuer_certificate = Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                                                .common_name = "any",
                                                                .not_before = issuer.now,
                                                                .not_after = issuer.now + hours(1),
                                                                .ca = true},
                                                               key.public_key(), nullptr, key));
  const auto forged = Must(crypto::SignCertificate({.serial = credential.serial,
                                                    .not_before = issuer.now,
                                                    .not_after = issuer.now + hours(1),
                                                    .uri_sans = own.UriSans()},
                                                   own.key(), &issuer_certificate, key));
  EXPECT_EQ(Answer(issuer.Issue(forged, RequestOf({X509Item(Entry())}))), "peer-certificate");
}

TEST_F(IssuanceTest, AnotherNodesEntryIsRefused) {
  Host other;
  issuer.Admit(other);
  const auto entry = Entry([&](auto& written) { written.scope = {.nodes = {other.id()}}; });
  EXPECT_EQ(Answer(Issue({X509Item(entry)})), "entry-not-for-node");
  EXPECT_EQ(Answer(issuer.Issue(other.certificate(), RequestOf({X509Item(entry)}))), "x509")
      << "the twin";
}

TEST_F(IssuanceTest, NodesWithoutAnIdentityGetNone) {
  const auto request = RequestOf({X509Item(Entry())});
  const auto answer = [&] { return Answer(issuer.Issue(host.certificate(), request)); };
  EXPECT_EQ(answer(), "x509") << "the twin";
  const auto stand = [&](Standing standing) {
    Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
      ASSIGN_OR_RETURN(auto record, transaction.FindNode(host.id()), "node");
      record->standing = standing;
      return transaction.PutNode(*record);
    }));
  };
  stand(Standing::kRefused);
  EXPECT_EQ(answer(), "node-refused");
  stand(Standing::kQuarantined);
  EXPECT_EQ(answer(), "node-quarantined");
  stand(Standing::kAllowed);
  EXPECT_EQ(answer(), "node-not-enrolled");
  stand(Standing::kRemoved);
  EXPECT_EQ(answer(), "node-removed");
  stand(Standing::kActive);
  issuer.Pass(issuer.config.node_ttl);
  EXPECT_EQ(answer(), "peer-expired");
}

}  // namespace
}  // namespace lodekey::test
