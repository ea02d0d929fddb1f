#include "issuer/grant.h"

#include <map>

#include <gtest/gtest.h>

#include "attest/appraisal.h"
#include "attest/codec.h"
#include "issuer/authority.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using attest::Outcome;
using issuer::CredentialRecord;
using issuer::CredentialState;
using issuer::Decision;
using issuer::Grant;
using issuer::RecordedGrant;
using issuer::Standing;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// --- Verdicts, as an appraisal of real evidence makes them ---

attest::Subject SubjectOf(const Host& host) {
  return {.trust_domain = kTrustDomain,
          .node_id = host.id(),
          .group = "default",
          .ak = host.tpm().ak().area,
          .node_key = host.tpm().node_key().area};
}

attest::Verdict Enrolled(Host& host, const attest::AppraisalPolicy& policy = {},
                         ByteView nonce = Bytes(32, 1)) {
  const Bytes secret(32, 2);
  node::StartEnrolmentResponse started;
  started.set_nonce(attest::ToField(Bytes(32, 1)));
  started.set_node_id(host.id());
  *started.mutable_selection() = attest::EncodeSelection({crypto::HashAlg::kSha256, 0xffff});
  const auto request = host.FinishWith(secret, started);
  return attest::AppraiseEnrolment(SubjectOf(host),
                                   {.nonce = ToBytes(nonce), .activation_secret = secret},
                                   Must(attest::DecodeCertification(request.node_key())),
                                   Must(attest::DecodeEvidence(request.evidence())), {}, policy);
}

// Of a host whose last evidence had `clock`.
attest::Verdict Attested(Host& host, const tpm::ClockInfo& clock) {
  host.next.set_nonce(attest::ToField(Bytes(32, 3)));
  *host.next.mutable_selection() = attest::EncodeSelection({crypto::HashAlg::kSha256, 0xffff});
  const auto request = host.Attest();
  const auto evidence = Must(attest::DecodeEvidence(request.evidence()));
  return attest::AppraiseEvidence(SubjectOf(host), Bytes(32, 3),
                                  {.clock = clock,
                                   .pcrs = host.registers,
                                   .static_pcrs = host.registers,
                                   .boot_log_digest = evidence.boot_log_digest,
                                   .ledger_pcr = host.ledger_pcr,
                                   .ledger = attest::EncodeLedger(host.ledger)},
                                  evidence, {}, {});
}

Decision Decided(const attest::Verdict& verdict, const issuer::PolicyBundle& policy) {
  return issuer::DecideStanding(*Lazily(policy), {.trust_domain = kTrustDomain, .now = At(0)},
                                FullNode(1), "inventory", verdict, At(0));
}

TEST(Decision, AllowsOnlyWhatWasAccepted) {
  Host host;
  const attest::Verdict verdict = Enrolled(host);
  ASSERT_TRUE(verdict.decidable());
  const Decision decision = Decided(verdict, ShippedWith());
  EXPECT_TRUE(decision.allowed());
  EXPECT_TRUE(decision.binding());
  EXPECT_EQ(decision.standing(), Standing::kActive);
}

TEST(Decision, LeavesTheStandingAloneAfterARefusedMessage) {
  Host host;
  const attest::Verdict verdict = Enrolled(host, {}, Bytes(32, 9));
  ASSERT_EQ(verdict.outcome(), Outcome::kMessageRefused);
  const Decision decision = Decided(verdict, Always(kAllowAll, kAllowAllData));
  EXPECT_FALSE(decision.allowed());
  EXPECT_FALSE(decision.binding());
}

TEST(Decision, WithdrawsTheIdentityOfARefusedNode) {
  Host host;
  const attest::Verdict verdict = Enrolled(host);
  ASSERT_TRUE(verdict.decidable());
  const Decision decision =
      Decided(verdict, ShippedWith({{"/appraisal/require_references", true}}));
  EXPECT_EQ(decision.outcome(), Outcome::kNodeRefused);
  EXPECT_FALSE(decision.allowed());
  EXPECT_TRUE(decision.binding());
  EXPECT_EQ(decision.standing(), Standing::kRefused);
}

TEST(Decision, EndsAnEnrolmentWithItsBoot) {
  Host host;
  tpm::ClockInfo earlier = host.tpm().clock;
  earlier.reset_count -= 1;
  const attest::Verdict verdict = Attested(host, earlier);
  ASSERT_EQ(verdict.outcome(), Outcome::kEnrolAgain);
  const Decision decision = Decided(verdict, Always(kAllowAll, kAllowAllData));
  EXPECT_FALSE(decision.allowed());
  EXPECT_TRUE(decision.binding());
  EXPECT_EQ(decision.standing(), Standing::kAllowed);
}

TEST(Decision, QuarantinesAPossibleClone) {
  Host host;
  tpm::ClockInfo ahead = host.tpm().clock;
  ahead.clock += 1'000'000;
  const attest::Verdict verdict = Attested(host, ahead);
  ASSERT_EQ(verdict.outcome(), Outcome::kNodeQuarantined);
  const Decision decision = Decided(verdict, Always(kAllowAll, kAllowAllData));
  EXPECT_FALSE(decision.allowed());
  EXPECT_TRUE(decision.binding());
  EXPECT_EQ(decision.standing(), Standing::kQuarantined);
}

// A policy that is broken gives nothing to anybody, and takes nothing from anybody.
TEST(Decision, LeavesTheStandingAloneWhereThePolicyFails) {
  Host host;
  const Decision decision = Decided(Enrolled(host), Always("1"));
  EXPECT_FALSE(decision.allowed());
  EXPECT_FALSE(decision.binding());
  ASSERT_EQ(decision.failed().size(), 1U);
  EXPECT_EQ(decision.failed().front().code, "policy-output");
}

TEST(Decision, RefusesWhatThePolicyWasNotAskedAbout) {
  Host host;
  const attest::Verdict verdict = Enrolled(host);
  ASSERT_TRUE(verdict.decidable());
  EXPECT_FALSE(Decision::Refusal(verdict).allowed());
  const issuer::Policy allows(Lazily(Always(kAllowAll, kAllowAllData)));
  const issuer::Ruling other = allows.Decide(issuer::PolicyPoint::kAdmission, "{}", At(0));
  ASSERT_TRUE(other.allowed());
  EXPECT_FALSE(Decision::After(verdict, other).allowed());
}

// --- Grants ---

class GrantTest : public testing::Test {
 protected:
  GrantTest() { Must(issuer.inventory->Allow(host.id(), {}, "uid 0")); }

  issuer::NodeCertificateRequest Request(Time evidence, Time now) const {
    return {.node = host.id(),
            .key = host.tpm().node_key().area.key(),
            .evidence_time = evidence,
            .now = now};
  }
  Result<Grant> ForNode(Time evidence, Time now) {
    return Grant::ForNode(Decided(Enrolled(host), ShippedWith()), Request(evidence, now),
                          *issuer.authority);
  }
  void Commit(const Grant& grant) const {
    Must(issuer.store->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
      transaction.Audit(R"({"event":"credential.issued"})");
      return transaction.PutCredential(grant.record());
    }));
  }

  IssuerRig issuer;
  Host host;
};

TEST_F(GrantTest, SaysByteForByteWhatWillBeSigned) {
  const Grant grant = Must(ForNode(At(0), At(0)));
  const CredentialRecord& record = grant.record();
  EXPECT_EQ(record.node, host.id());
  EXPECT_EQ(record.spiffe_id, "spiffe://example.org/node/" + host.id());
  EXPECT_EQ(record.tbs_digest, ToBytes(crypto::Sha256(grant.tbs())));
  EXPECT_EQ(record.evidence_time, At(0));

  Commit(grant);
  const auto recorded = Must(RecordedGrant::Recall(*issuer.store, record.serial, grant.tbs()));
  const auto chain = Must(issuer.authority->Sign(recorded));
  ASSERT_EQ(chain.size(), 2U);
  const crypto::Certificate& leaf = chain.front();
  EXPECT_EQ(TbsOf(leaf), grant.tbs());
  EXPECT_EQ(leaf.serial(), record.serial);
  EXPECT_EQ(leaf.UriSans(), std::vector<std::string>{record.spiffe_id});
  EXPECT_EQ(leaf.not_before(), record.not_before);
  EXPECT_EQ(leaf.not_after(), record.not_after);
  EXPECT_EQ(leaf.key(), host.tpm().node_key().area.key());
  EXPECT_FALSE(leaf.is_ca());
}

TEST_F(GrantTest, IsNotMadeForARefusedNode) {
  const Decision refused = Decided(Enrolled(host), Always(kDenyAll));
  const auto grant = Grant::ForNode(refused, Request(At(0), At(0)), *issuer.authority);
  ASSERT_FALSE(grant);
  EXPECT_EQ(grant.error().code, Code::kDenied);
  EXPECT_EQ(grant.error().Name(), "not-accepted");
}

TEST_F(GrantTest, CountsItsLifeFromTheEvidence) {
  const Grant grant = Must(ForNode(At(0), At(0) + minutes(59)));
  EXPECT_EQ(grant.record().not_after, At(0) + hours(1));
  EXPECT_LE(grant.record().not_before, At(0) + minutes(59));
}

TEST_F(GrantTest, IsNotMadeOnEvidenceAsOldAsALife) {
  EXPECT_TRUE(ForNode(At(0), At(0) + hours(1) - seconds(1)));
  const auto grant = ForNode(At(0), At(0) + hours(1));
  ASSERT_FALSE(grant);
  EXPECT_EQ(grant.error().code, Code::kUnavailable);
  EXPECT_EQ(grant.error().Name(), "authority-expired");
}

TEST_F(GrantTest, EndsNoLaterThanItsIntermediate) {
  const Time end = issuer.authority->signer(issuer.now)->certificate.not_after();
  EXPECT_EQ(Must(ForNode(end - minutes(1), end - minutes(1))).record().not_after, end);
}

TEST_F(GrantTest, HasASerialOfItsOwn) {
  EXPECT_NE(Must(ForNode(At(0), At(0))).record().serial,
            Must(ForNode(At(0), At(0))).record().serial);
}

// --- Recorded grants ---

std::string Recalled(const Result<RecordedGrant>& recalled) {
  return recalled ? "recalled" : std::string(recalled.error().Name());
}

TEST_F(GrantTest, IsNotRecalledBeforeItIsRecorded) {
  const Grant grant = Must(ForNode(At(0), At(0)));
  EXPECT_EQ(Recalled(RecordedGrant::Recall(*issuer.store, grant.record().serial, grant.tbs())),
            "grant-not-recorded");
  Commit(grant);
  EXPECT_EQ(Recalled(RecordedGrant::Recall(*issuer.store, grant.record().serial, grant.tbs())),
            "recalled");
}

TEST_F(GrantTest, IsNotRecalledForOtherBytes) {
  const Grant grant = Must(ForNode(At(0), At(0)));
  Commit(grant);
  Bytes other = grant.tbs();
  other.back() ^= 1;
  EXPECT_EQ(Recalled(RecordedGrant::Recall(*issuer.store, grant.record().serial, other)),
            "grant-void");
  EXPECT_EQ(Recalled(RecordedGrant::Recall(*issuer.store, grant.record().serial, {})),
            "grant-void");
}

// A store that knows one credential.
class OneCredential final : public issuer::Store {
 public:
  explicit OneCredential(CredentialRecord record) : view_(std::move(record)) {}
  Result<void> Read(const std::function<Result<void>(issuer::View&)>& read) override {
    return read(view_);
  }
  void Commit(issuer::Change, issuer::Done done) override {
    done(Fail(Code::kUnavailable, "read only"));
  }

 private:
  struct OneView final : issuer::View {
    explicit OneView(CredentialRecord only) : record(std::move(only)) {}
    Result<std::optional<issuer::NodeRecord>> FindNode(const issuer::NodeId&) override {
      return std::optional<issuer::NodeRecord>();
    }
    Result<std::optional<issuer::NodeRecord>> FindNodeByEk(const std::string&) override {
      return std::optional<issuer::NodeRecord>();
    }
    Result<std::vector<issuer::NodeRecord>> ListNodes(const issuer::NodeId&, size_t) override {
      return std::vector<issuer::NodeRecord>();
    }
    Result<std::vector<issuer::NodeRecord>> ListNodesOf(Standing, const issuer::NodeId&,
                                                        size_t) override {
      return std::vector<issuer::NodeRecord>();
    }
    Result<std::vector<issuer::ReferencePcr>> ListReferences(const std::string&) override {
      return std::vector<issuer::ReferencePcr>();
    }
    Result<std::optional<CredentialRecord>> FindCredential(ByteView) override {
      return std::optional(record);
    }
    Result<std::vector<CredentialRecord>> ListCredentials(const issuer::NodeId&, size_t) override {
      return std::vector{record};
    }
    Result<std::optional<attest::Entry>> FindEntry(const std::string&) override {
      return std::optional<attest::Entry>();
    }
    Result<std::vector<attest::Entry>> ListEntries(const std::string&, size_t) override {
      return std::vector<attest::Entry>();
    }
    Result<uint64_t> CountEntries() override { return uint64_t{0}; }
    Result<std::optional<std::string>> FindAlike(const attest::Entry&) override {
      return std::optional<std::string>();
    }
    Result<std::optional<issuer::PolicyRecord>> CurrentPolicy() override {
      return std::optional<issuer::PolicyRecord>();
    }
    Result<std::optional<issuer::PolicyRecord>> FindPolicy(uint64_t) override {
      return std::optional<issuer::PolicyRecord>();
    }
    Result<std::vector<issuer::PolicyRecord>> ListPolicies(size_t) override {
      return std::vector<issuer::PolicyRecord>();
    }
    Result<std::vector<issuer::DecisionRecord>> ListDecisions(const issuer::DecisionFilter&,
                                                              size_t) override {
      return std::vector<issuer::DecisionRecord>();
    }
    Result<std::optional<issuer::DecisionRecord>> FindDecision(ByteView) override {
      return std::optional<issuer::DecisionRecord>();
    }
    Result<std::optional<issuer::DecisionRecord>> LastStanding(const issuer::NodeId&) override {
      return std::optional<issuer::DecisionRecord>();
    }
    Result<uint64_t> CountNodes(Standing) override { return uint64_t{0}; }
    Result<std::optional<issuer::NodeId>> FindNodeByDevId(ByteView) override {
      return std::optional<issuer::NodeId>();
    }
    Result<bool> HasLog(ByteView) override { return false; }
    Result<std::optional<Bytes>> FindLog(ByteView) override { return std::optional<Bytes>(); }
    Result<crypto::ChainHead> AuditHead() override { return crypto::ChainHead(); }
    CredentialRecord record;
  };
  OneView view_;
};

TEST_F(GrantTest, IsRecalledOnlyWhileItsAuditLineStands) {
  const Grant grant = Must(ForNode(At(0), At(0)));
  const std::map<CredentialState, std::string> answers = {{CredentialState::kPending, "grant-void"},
                                                          {CredentialState::kIssued, "recalled"},
                                                          {CredentialState::kVoid, "grant-void"}};
  for (const auto& [state, answer] : answers) {
    CredentialRecord record = grant.record();
    record.state = state;
    OneCredential store(std::move(record));
    EXPECT_EQ(Recalled(RecordedGrant::Recall(store, grant.record().serial, grant.tbs())), answer);
  }
}

}  // namespace
}  // namespace lodekey::test
