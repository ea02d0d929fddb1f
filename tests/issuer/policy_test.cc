// What decides: loaded, asked, replaced.
#include "issuer/policy.h"

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "issuer/decision_record.h"
#include "issuer/policy_input.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/issuer/policy_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::LoadPolicy;
using issuer::Policy;
using issuer::PolicyPoint;

std::string Loads(const issuer::PolicyBundle& bundle) {
  const auto loaded = LoadPolicy(1, bundle, EngineOptions());
  return loaded ? "loaded" : std::string(loaded.error().Name());
}

TEST(LoadPolicy, TakesWhatIsShipped) {
  const auto loaded = Must(LoadPolicy(0, issuer::ShippedPolicy(), EngineOptions()));
  EXPECT_EQ(loaded->version, 0U);
  EXPECT_FALSE(loaded->allows_all);
  EXPECT_EQ(loaded->appraisal, attest::AppraisalPolicy());
}

// Every switch open is still not everything: findings that nobody accepted are refused.
TEST(LoadPolicy, TakesTheMostOpenChoicesOfTheShippedOne) {
  EXPECT_EQ(Loads(ShippedWith({{"/appraisal/require_claim", false},
                               {"/appraisal/accept_touched_ledger", true},
                               {"/appraisal/accept_new_ak", true},
                               {"/appraisal/accept_findings", {"pcr-not-approved"}},
                               {"/admission/unknown", "approval"},
                               {"/admission/devid", "allow"}})),
            "loaded");
}

TEST(LoadPolicy, RefusesWhatDoesNotCompileOrHasNoData) {
  issuer::PolicyBundle broken = ShippedWith();
  broken.files["issuance.rego"] += "\nallowed if {";
  EXPECT_EQ(Loads(broken), "policy-invalid");
  EXPECT_EQ(Loads(ShippedWith({{"/appraisal/bank", "md5"}})), "policy-invalid");
  EXPECT_EQ(Loads({}), "policy-invalid");
}

TEST(LoadPolicy, SaysOfAPolicyThatAllowsAllByNameThatItDoes) {
  EXPECT_TRUE(Must(LoadPolicy(1, Always(kAllowAll, kAllowAllData), EngineOptions()))->allows_all);
  EXPECT_FALSE(Must(LoadPolicy(1, Always(kDenyAll, kAllowAllData), EngineOptions()))->allows_all);
}

TEST(Policy, RulesWithWhatItWasAsked) {
  const Policy policy(Lazily(Always(kDenyAll), 7));
  for (const PolicyPoint point : issuer::kPolicyPoints) {
    const auto rulings =
        policy.Decide(point, std::vector<std::string>{R"({"a":1})", R"({"a":2})"}, At(5));
    ASSERT_EQ(rulings.size(), 2U);
    EXPECT_EQ(rulings[1].point(), point);
    EXPECT_FALSE(rulings[1].allowed());
    EXPECT_EQ(rulings[1].policy_version(), 7U);
    EXPECT_EQ(rulings[1].input(), R"({"a":2})");
    EXPECT_EQ(rulings[1].input_digest(), ToBytes(crypto::Sha256(AsBytes(R"({"a":2})"))));
    EXPECT_EQ(rulings[1].decided(), At(5));
    EXPECT_EQ(rulings[1].output().reasons.front().code, "denied-by-test");
  }
  EXPECT_TRUE(policy.Decide(PolicyPoint::kIssuance, std::vector<std::string>(), At(5)).empty());
}

TEST(Policy, DeniesWhereItFails) {
  const std::vector<std::pair<std::string, std::string>> failures = {
      {"1", "policy-output"},
      {R"({"allow": true, "rule": "x", "more": 1})", "policy-output"},
      {R"({"allow": false, "rule": "x"})", "policy-output"},
      {R"(1 / input.none)", "policy-error"}};
  for (const auto& [decision, code] : failures) {
    const Policy policy(Lazily(Always(decision)));
    const issuer::Ruling ruling = policy.Decide(PolicyPoint::kStanding, "{}", At(0));
    EXPECT_FALSE(ruling.allowed()) << decision;
    ASSERT_EQ(ruling.output().reasons.size(), 1U) << decision;
    EXPECT_EQ(ruling.output().reasons.front().code, code) << decision;
    EXPECT_TRUE(ruling.output().reasons.front().message_only) << "no standing is lost by it";
    EXPECT_FALSE(ruling.output().reasons.front().accept.empty());
  }
}

// Has more to do than it can.
class BusyEngine final : public issuer::PolicyEngine {
 public:
  std::vector<Result<std::string>> Evaluate(std::string_view,
                                            const std::vector<std::string>& inputs,
                                            issuer::WorkerShare share) override {
    shares.push_back(share);
    return std::vector<Result<std::string>>(
        inputs.size(),
        Fail(Code::kUnavailable, "busy", {.name = std::string(issuer::kPolicyBusy)}));
  }
  Result<std::vector<issuer::PolicyTestResult>> Test() override { return {}; }

  std::vector<issuer::WorkerShare> shares;
};

TEST(Policy, WhoFoundItBusyComesAgainAndIssuanceLeavesAWorkerToTheOthers) {
  auto loaded = std::make_shared<issuer::LoadedPolicy>();
  auto engine = std::make_unique<BusyEngine>();
  const BusyEngine& asked = *engine;
  loaded->engine = std::move(engine);
  const Policy policy(std::move(loaded));
  for (const PolicyPoint point : issuer::kPolicyPoints) {
    const auto ruling = policy.Decide(point, "{}", At(0));
    EXPECT_FALSE(ruling.allowed());
    EXPECT_TRUE(ruling.output().reasons.at(0).message_only);
    const Error error = issuer::RefusalError(ruling);
    EXPECT_EQ(error.Name(), "policy-busy");
    EXPECT_EQ(error.code, Code::kUnavailable);
  }
  EXPECT_EQ(asked.shares, (std::vector{issuer::WorkerShare::kAll, issuer::WorkerShare::kAll,
                                       issuer::WorkerShare::kAllButOne}));
}

TEST(Policy, DeniesWhatIsTooLargeToBeAsked) {
  const Policy policy(Lazily(Always(kAllowAll, kAllowAllData)));
  const std::string fits = "\"" + std::string(issuer::kMaxDecisionInput - 2, 'x') + "\"";
  const auto rulings = policy.Decide(PolicyPoint::kIssuance,
                                     std::vector<std::string>{fits, fits + " ", "{}"}, At(0));
  EXPECT_TRUE(rulings[0].allowed());
  EXPECT_FALSE(rulings[1].allowed());
  EXPECT_EQ(rulings[1].output().reasons.front().code, "policy-input");
  EXPECT_LT(rulings[1].input().size(), 64U) << "it is not kept either";
  EXPECT_TRUE(rulings[2].allowed());
}

TEST(Policy, IsReplacedAtOnce) {
  Policy policy(Lazily(Always(kDenyAll), 1));
  EXPECT_FALSE(policy.Decide(PolicyPoint::kAdmission, "{}", At(0)).allowed());
  policy.Replace(Lazily(Always(kAllowAll, kAllowAllData), 2));
  const issuer::Ruling after = policy.Decide(PolicyPoint::kAdmission, "{}", At(0));
  EXPECT_TRUE(after.allowed());
  EXPECT_EQ(after.policy_version(), 2U);
}

// --- C++ never decides what the policy is asked ---

class PolicyDecidesTest : public testing::Test {
 protected:
  IssuerRig issuer;
  Host host;
};

TEST_F(PolicyDecidesTest, NothingIsIssuedWhereItDeniesAll) {
  issuer.Admit(host);
  const attest::Entry entry = issuer.Put(EntryFor(host));
  issuer.Decide(Always(kDenyAll));
  EXPECT_EQ(Answer(issuer.Issue(host.certificate(), RequestOf({X509Item(entry), JwtItem(entry)}))),
            "denied-by-test denied-by-test");
  EXPECT_EQ(Answer(issuer.Attest(host)), "NODE_REFUSED denied-by-test");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "denied-by-test");
  EXPECT_EQ(issuer.Credentials(host).size(), 1U) << "of its admission, before";
}

TEST_F(PolicyDecidesTest, EverythingWellFormedIsIssuedWhereItAllowsAll) {
  issuer.Decide(Always(kAllowAll, kAllowAllData));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED") << "whom no inventory has";
  attest::Entry entry = EntryFor(host);
  entry.jwt_audiences = {};
  entry = issuer.Put(entry);
  node::IssueItem bare = JwtItem(entry, "anybody");
  bare.clear_selectors();
  EXPECT_EQ(Answer(issuer.Issue(host.certificate(), RequestOf({bare}))), "jwt");
  host.Extend(7);
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED") << "a finding";
  bare.set_entry_id("none");
  EXPECT_EQ(Answer(issuer.Issue(host.certificate(), RequestOf({bare}))), "entry-unknown")
      << "what does not exist is no matter of policy";
}

TEST_F(PolicyDecidesTest, EveryDecisionIsOnRecord) {
  issuer.Admit(host);
  const attest::Entry entry = issuer.Put(EntryFor(host));
  EXPECT_EQ(Answer(issuer.Issue(host.certificate(),
                                RequestOf({X509Item(entry), JwtItem(entry, "other")}))),
            "x509 audience-not-allowed");
  std::vector<std::string> points;
  std::vector<issuer::DecisionRecord> decisions;
  Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
    ASSIGN_OR_RETURN(decisions, view.ListDecisions({}, 100), "decisions");
    return {};
  }));
  for (const auto& decision : decisions) {
    points.push_back(decision.point + (decision.allowed ? "" : " denied"));
    EXPECT_EQ(decision.input_digest, ToBytes(crypto::Sha256(AsBytes(decision.input))));
  }
  EXPECT_EQ(points,
            (std::vector<std::string>{"admission", "standing", "issuance", "issuance denied"}));
  const auto records = issuer.AuditRecords();
  const auto& refused = records.back();
  EXPECT_EQ(refused["event"], "credential.refused");
  EXPECT_EQ(refused["entry"], entry.id);
  EXPECT_EQ(refused["policy"]["version"], 0);
  EXPECT_EQ(refused["policy"]["reasons"], nlohmann::json({"audience-not-allowed"}));
  EXPECT_EQ(refused["policy"]["input"], ToHex(decisions.back().input_digest));
  EXPECT_EQ(records.at(records.size() - 2)["policy"]["reasons"], nlohmann::json::array());
}

}  // namespace
}  // namespace lodekey::test
