#include "issuer/workload_decision.h"

#include <gtest/gtest.h>

#include "issuer/policy_input.h"
#include "tests/issuer/policy_fixture.h"
#include "tests/issuer/store_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using issuer::WorkloadDecision;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kNodeTtl = hours(1);

class WorkloadDecisionTest : public testing::Test {
 protected:
  WorkloadDecisionTest() {
    node.standing = Standing::kActive;
    node.labels = {{"site", "berlin"}};
    node.enrolment->evidence_time = now;
    node.enrolment->not_after = now + kNodeTtl;
    entry.id = "0198";
    entry.revision = 3;
    entry.scope = {.nodes = {node.id}};
    request = Must(issuer::ReadIssueItem(X509Item(entry)));
  }

  // As the policy rules, where it comes to that.
  Result<WorkloadDecision> Decide() const {
    const auto found = stored ? std::optional(entry) : std::nullopt;
    ASSIGN_OR_RETURN(const SpiffeId id, WorkloadDecision::Identify(node, found, request, now),
                     "identify");
    const issuer::Ruling ruling = policy.Decide(
        issuer::PolicyPoint::kIssuance,
        issuer::IssuanceInput({.trust_domain = kTrustDomain, .now = now}, node, entry, id, request),
        now);
    return WorkloadDecision::After(node, found, request, ruling, kNodeTtl, now);
  }
  // "allowed", "needs-evidence", or the name of what refuses.
  std::string Answer() const {
    const auto decision = Decide();
    if (!decision) return std::string(decision.error().Name());
    return decision->needs_evidence() ? "needs-evidence" : "allowed";
  }

  issuer::Policy policy{Lazily(ShippedWith())};
  Time now = At(0);
  issuer::NodeRecord node = FullNode(1);
  attest::Entry entry = EntryFor(Host());
  bool stored = true;
  issuer::WorkloadRequest request{.subject = issuer::Audiences{}};
};

TEST_F(WorkloadDecisionTest, AllowsWhatTheEntrySaysOfThisProcessOnThisNode) {
  const auto decision = Must(Decide());
  EXPECT_FALSE(decision.needs_evidence());
  EXPECT_EQ(decision.node(), node.id);
  EXPECT_EQ(decision.entry(), entry);
  EXPECT_EQ(decision.id().ToString(), "spiffe://example.org/web");
  EXPECT_EQ(decision.evidence_time(), node.enrolment->evidence_time);
  EXPECT_EQ(std::get<crypto::PublicKey>(decision.subject()), WorkloadKey().public_key());
}

TEST_F(WorkloadDecisionTest, NeedsANodeWithAnIdentity) {
  const std::map<Standing, std::string> answers = {{Standing::kActive, "allowed"},
                                                   {Standing::kRefused, "node-refused"},
                                                   {Standing::kRemoved, "node-removed"},
                                                   {Standing::kQuarantined, "node-quarantined"},
                                                   {Standing::kAllowed, "node-not-enrolled"}};
  for (const auto& [standing, answer] : answers) {
    node.standing = standing;
    EXPECT_EQ(Answer(), answer);
  }
  node.standing = Standing::kActive;
  node.enrolment.reset();
  EXPECT_EQ(Answer(), "node-not-enrolled");
}

TEST_F(WorkloadDecisionTest, NeedsTheEntryAsTheNodeKnowsIt) {
  stored = false;
  EXPECT_EQ(Answer(), "entry-unknown");
  stored = true;
  entry.revision = 4;
  EXPECT_EQ(Answer(), "entry-changed");
  entry.revision = 2;
  EXPECT_EQ(Answer(), "entry-changed");
}

TEST_F(WorkloadDecisionTest, NeedsTheNodeInTheEntrysScope) {
  entry.scope = {.nodes = {SampleNodeId(2)}};
  EXPECT_EQ(Answer(), "entry-not-for-node");
  entry.scope.labels = {{"site", "berlin"}};
  EXPECT_EQ(Answer(), "allowed");
  entry.scope.labels = {{"site", "paris"}};
  EXPECT_EQ(Answer(), "entry-not-for-node");
  entry.scope = {};
  EXPECT_EQ(Answer(), "entry-not-for-node");
}

TEST_F(WorkloadDecisionTest, TellsNothingOfAnotherNodesEntry) {
  entry.scope = {.nodes = {SampleNodeId(2)}};
  entry.revision = 9;
  entry.expires = now - hours(1);
  EXPECT_EQ(Answer(), "entry-not-for-node");
}

TEST_F(WorkloadDecisionTest, EndsWithTheEntry) {
  entry.expires = now + seconds(2);
  EXPECT_EQ(Answer(), "allowed");
  EXPECT_EQ(Must(Decide()).not_after(), entry.expires);
  entry.expires = now + seconds(1);
  EXPECT_EQ(Answer(), "entry-expired");
  entry.expires = now - hours(1);
  EXPECT_EQ(Answer(), "entry-expired");
}

TEST_F(WorkloadDecisionTest, ExpandsTheIdentityWithTheNodesLabels) {
  entry.spiffe_id = "spiffe://example.org/{{site}}/web";
  EXPECT_EQ(Must(Decide()).id().ToString(), "spiffe://example.org/berlin/web");
  node.labels = {};
  EXPECT_EQ(Answer(), "label-missing");
  node.labels = {{"site", "node"}};
  EXPECT_EQ(Answer(), "entry-spiffe-id") << "a reserved path";
}

TEST_F(WorkloadDecisionTest, NeedsEverySelectorOfTheEntry) {
  entry.selectors.push_back({.type = "unix", .name = "gid", .value = "100"});
  const auto decision = Decide();
  ASSERT_FALSE(decision);
  EXPECT_EQ(decision.error().Name(), "selectors-missing");
  EXPECT_NE(decision.error().text.find("unix:gid:100"), std::string::npos) << "it names them";
  EXPECT_EQ(decision.error().text.find("unix:uid:1000"), std::string::npos);
  request.selectors.push_back({.selector = entry.selectors.back()});
  EXPECT_EQ(Answer(), "allowed");
}

TEST_F(WorkloadDecisionTest, TakesAnAgentsWordForWhatItSawAndNoMore) {
  using enum attest::Grade;
  for (const auto grade : {kProved, kKernelMeasured, kRecorded, kDeclared}) {
    request.selectors.front().grade = grade;
    EXPECT_EQ(Answer(), "selector-grade") << attest::GradeName(grade);
  }
  request.selectors.front().grade = kObserved;
  EXPECT_EQ(Answer(), "allowed");
}

TEST_F(WorkloadDecisionTest, GivesAheadOfTheFirstAskOnlyWhereTheEntrySaysSo) {
  request.selectors.clear();
  EXPECT_EQ(Answer(), "not-prefetched");
  entry.prefetch = true;
  EXPECT_EQ(Answer(), "allowed");
  request.selectors = {{.selector = {.type = "unix", .name = "uid", .value = "1001"}}};
  EXPECT_EQ(Answer(), "selectors-missing") << "a process that asks has to match";
}

TEST_F(WorkloadDecisionTest, AllowsTokensForTheEntrysAudiencesAlone) {
  request.subject = issuer::Audiences{"db"};
  EXPECT_EQ(Answer(), "allowed");
  request.subject = issuer::Audiences{"db", "billing"};
  EXPECT_EQ(Answer(), "audience-not-allowed") << "one is enough";
  entry.jwt_audiences = {"*"};
  EXPECT_EQ(Answer(), "allowed");
  entry.jwt_audiences = {};
  EXPECT_EQ(Answer(), "audience-not-allowed");
}

TEST_F(WorkloadDecisionTest, AsksForEvidenceWhenTooLittleIsLeft) {
  const Time end = node.enrolment->not_after;
  now = end - seconds(10);
  EXPECT_EQ(Answer(), "allowed");
  now += milliseconds(1);
  EXPECT_EQ(Answer(), "needs-evidence");
  now = end + hours(1);
  EXPECT_EQ(Answer(), "needs-evidence");
}

TEST_F(WorkloadDecisionTest, AsksForEvidenceOnlyWhereNothingElseRefuses) {
  now = node.enrolment->not_after;
  request.selectors.clear();
  EXPECT_EQ(Answer(), "not-prefetched");
}

TEST_F(WorkloadDecisionTest, NeverOutlivesCertificateOrEvidence) {
  node.enrolment->not_after = now + minutes(7);
  EXPECT_EQ(Must(Decide()).not_after(), now + minutes(7));
  node.enrolment->not_after = now + hours(9);
  EXPECT_EQ(Must(Decide()).not_after(), node.enrolment->evidence_time + kNodeTtl);
}

TEST_F(WorkloadDecisionTest, GivesNothingThatThePolicyDenies) {
  policy.Replace(Lazily(Always(kDenyAll)));
  const auto decision = Decide();
  ASSERT_FALSE(decision);
  EXPECT_EQ(decision.error().code, Code::kDenied);
  EXPECT_EQ(decision.error().Name(), "denied-by-test");
}

TEST_F(WorkloadDecisionTest, GivesNothingOnTheRulingOfAnotherPoint) {
  const issuer::Policy allows{Lazily(Always(kAllowAll, kAllowAllData))};
  const issuer::Ruling standing = allows.Decide(issuer::PolicyPoint::kStanding, "{}", now);
  ASSERT_TRUE(standing.allowed());
  EXPECT_FALSE(WorkloadDecision::After(node, entry, request, standing, kNodeTtl, now));
}

TEST_F(WorkloadDecisionTest, LastsNoLongerThanThePolicyGives) {
  policy.Replace(Lazily(ShippedAnd("lodekey.issuance", "ttl_at_most contains 90")));
  EXPECT_EQ(Must(Decide()).not_after(), now + seconds(90));
}

TEST_F(WorkloadDecisionTest, AsksForEvidenceWhereThePolicyWantsItYounger) {
  policy.Replace(Lazily(ShippedAnd("lodekey.issuance", "evidence_within contains 60")));
  EXPECT_EQ(Answer(), "allowed");
  now += seconds(60);
  EXPECT_EQ(Answer(), "allowed");
  now += seconds(1);
  EXPECT_EQ(Answer(), "needs-evidence");
}

TEST(WorkloadDecision, WantsLessOfNodesThatLiveShort) {
  EXPECT_EQ(WorkloadDecision::LeastLife(hours(1)), seconds(10));
  EXPECT_EQ(WorkloadDecision::LeastLife(seconds(20)), seconds(5));
}

}  // namespace
}  // namespace lodekey::test
