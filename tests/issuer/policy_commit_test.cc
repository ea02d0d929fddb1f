// What a policy decides, and what has become of it as it is committed.

#include <fmt/format.h>

#include "tests/issuer/issuance_rig.h"
#include "tests/issuer/policy_fixture.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using nlohmann::json;

class PolicyCommitTest : public IssuanceTest {
 protected:
  // Another policy is applied between the next decision and its commit.
  void ApplyMeanwhile() {
    issuer.store->Between([&] {
      const auto bundle = ShippedWith();
      Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) {
        return transaction.PutPolicy({.version = 1,
                                      .digest = ToBytes(attest::BundleDigest(bundle)),
                                      .content = issuer::EncodeBundle(bundle),
                                      .applied = issuer.now,
                                      .applied_by = "uid 0"});
      }));
      issuer.policy->Replace(Lazily(bundle, 1));
    });
  }
  size_t Decisions() const {
    size_t count = 0;
    Must(issuer.database->Read([&](issuer::View& view) -> Result<void> {
      count = Must(view.ListDecisions({}, 1000)).size();
      return {};
    }));
    return count;
  }
  Standing StandingNow() const { return issuer.Record(host).standing; }
};

TEST_F(PolicyCommitTest, ThatAnotherPolicyOvertookCostsEvidenceNothing) {
  const node::AttestRequest request = host.Attest();
  const size_t decisions = Decisions();
  const size_t lines = issuer.AuditRecords().size();
  ApplyMeanwhile();
  const auto overtaken = issuer.Attest(host.certificate(), request);
  ASSERT_FALSE(overtaken);
  EXPECT_EQ(overtaken.error().Name(), "policy-changed");
  EXPECT_EQ(overtaken.error().code, Code::kConflict) << "no reason to end or to withdraw anything";
  EXPECT_FALSE(overtaken.error().advice.empty());
  EXPECT_EQ(Decisions(), decisions);
  EXPECT_EQ(issuer.AuditRecords().size(), lines);
  EXPECT_EQ(Answer(issuer.Attest(host.certificate(), request)), "ACCEPTED") << "the same again";
}

TEST_F(PolicyCommitTest, WithdrawsNothingInTheNameOfAnEarlierPolicy) {
  issuer.Decide(Always(kDenyAll));
  ApplyMeanwhile();
  EXPECT_EQ(Answer(issuer.Attest(host)), "policy-changed");
  EXPECT_EQ(StandingNow(), Standing::kActive);
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

TEST_F(PolicyCommitTest, GivesNoCredentialInTheNameOfAnEarlierPolicy) {
  const auto entry = Entry();
  ApplyMeanwhile();
  EXPECT_EQ(Answer(Issue({X509Item(entry), JwtItem(entry)})), "policy-changed");
  EXPECT_EQ(Lines("credential.issued").size(), 1U) << "the node's own, before";
  EXPECT_EQ(Answer(Issue({X509Item(entry), JwtItem(entry)})), "x509 jwt");
}

TEST_F(PolicyCommitTest, EnrolsNobodyInTheNameOfAnEarlierPolicy) {
  Host other;
  Must(issuer.inventory->Allow(other.id(), {}, "uid 0"));
  const auto request = Must(other.Finish(Must(issuer.Start(other.Start()))));
  ApplyMeanwhile();
  EXPECT_EQ(Answer(issuer.Finish(request)), "policy-changed");
  EXPECT_EQ(issuer.Record(other).standing, Standing::kAllowed);
  EXPECT_EQ(Answer(issuer.Finish(request)), "ACCEPTED") << "the challenge was not used";
}

TEST_F(PolicyCommitTest, RefusesNobodyInTheNameOfAnEarlierPolicy) {
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.Decide(Always(kDenyAll));
  ApplyMeanwhile();
  EXPECT_EQ(Answer(issuer.Finish(request)), "policy-changed");
  EXPECT_EQ(Lines("node.admission-refused").size(), 0U);
  EXPECT_EQ(Answer(issuer.Finish(request)), "ACCEPTED");
}

TEST_F(PolicyCommitTest, LetsNobodyWaitInTheNameOfAnEarlierPolicy) {
  Host stranger;
  issuer.Choose("/admission/unknown", "approval");
  ApplyMeanwhile();
  EXPECT_EQ(Answer(issuer.Enrol(stranger)), "policy-changed");
  EXPECT_EQ(Lines("node.pending").size(), 0U);
}

// One policy says what is compared with what, and the same one what follows from it.
TEST_F(PolicyCommitTest, IsByThePolicyThatTheEvidenceWasAppraisedBy) {
  auto peer = Must(issuer.attestation->Identify(host.certificate()));
  issuer.store->BeforeRead([&] { issuer.Decide(Always(kDenyAll)); });
  std::string answer;
  std::promise<void> answered;
  issuer.attestation->Attest(std::move(peer), host.Attest(), "192.0.2.1",
                             [&](const Result<node::AttestResponse>& response) {
                               answer = Answer(response);
                               answered.set_value();
                             });
  answered.get_future().wait();
  EXPECT_EQ(answer, "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "denied-by-test") << "the twin: it decides now";
}

// --- However much a policy has to say ---

// As many reasons as there may be, each text of `unit` as long as it may be.
issuer::PolicyBundle LargestDenial(const std::string& unit) {
  std::string text;
  while (text.size() + unit.size() <= issuer::kMaxReasonText) text += unit;
  json reasons = json::array();
  for (size_t i = 0; i < issuer::kMaxReasons; ++i) {
    json reason = {{"code", fmt::format("{:0>64}", i)}};
    for (const char* field : {"subject", "expected", "seen"}) reason[field] = text;
    // JSON of more is no answer of a worker.
    if (unit != "\"") reason["text"] = reason["accept"] = text;
    reasons.push_back(std::move(reason));
  }
  const json denial = {
      {"allow", false}, {"rule", std::string(256, 'r')}, {"reasons", std::move(reasons)}};
  // A line of Rego could not have it.
  return Always("data.denial", json{{"denial", denial}}.dump());
}

class LargestDenialTest : public PolicyCommitTest, public testing::WithParamInterface<const char*> {
 protected:
  void DenyAll() { issuer.Decide(LargestDenial(GetParam())); }
};

TEST_P(LargestDenialTest, WithdrawsAnIdentity) {
  DenyAll();
  const auto refused = Must(issuer.Attest(host));
  EXPECT_EQ(refused.verdict().failed_size(), static_cast<int>(issuer::kMaxReasons));
  EXPECT_EQ(StandingNow(), Standing::kRefused);
  const json line = Lines("node.refused").at(0);
  EXPECT_EQ(line["policy"]["reasons"].size(), issuer::kMaxReasons) << "of each, its code";
  ASSERT_GE(line["failed"].size(), 8U);
  EXPECT_EQ(line["failed"].size() + line.value("failed_left_out", size_t{0}), issuer::kMaxReasons);
  const auto subject = line["failed"][0]["subject"].get<std::string>();
  EXPECT_TRUE(subject.ends_with("...")) << subject;
  EXPECT_TRUE(subject.starts_with(GetParam())) << subject;
  EXPECT_EQ(subject.find("\xef\xbf\xbd"), std::string::npos) << "no character in half";
}

TEST_P(LargestDenialTest, RefusesAnEnrolmentAndACredential) {
  const auto entry = Entry();
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  DenyAll();
  const std::string code(64, '0');
  EXPECT_EQ(Answer(Issue({X509Item(entry)})), code);
  EXPECT_EQ(Answer(issuer.Finish(request)), code);
  EXPECT_EQ(Lines("credential.refused").size(), 1U);
  EXPECT_EQ(Lines("node.admission-refused").size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Texts, LargestDenialTest,
                         testing::Values("x", "\"", "\xc3\xbc", "\xe2\x82\xac",
                                         "\xf0\x9f\x94\x91"));

}  // namespace
}  // namespace lodekey::test
