#include "issuer/approval.h"

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::ApprovalRequest;
using issuer::NodeLabels;
using issuer::NodeRecord;
using issuer::Standing;
using Numbers = std::vector<unsigned>;

class ApprovalTest : public testing::Test {
 protected:
  // Hosts 1 to 3, of which the first two have hardware, and the first and third one source.
  void SetUp() override {
    for (unsigned number = 1; number <= 3; ++number) {
      NodeRecord record = SampleNode(number);
      record.standing = Standing::kPending;
      record.shown = {{"assurance", number == 3 ? "inventory" : "hardware"},
                      {"source", number == 2 ? "192.0.2.2" : "192.0.2.1"}};
      record.labels = {{"rack", std::to_string(number)}};
      Put(record);
    }
  }
  void Put(const NodeRecord& record) {
    Must(issuer.store->CommitAndWait(
        [&](issuer::Transaction& transaction) { return transaction.PutNode(record); }));
  }
  Result<issuer::ApprovedNodes> Settle(const ApprovalRequest& request) {
    return issuer::AdmitNodes(*issuer.context, request, "uid 7");
  }
  Numbers Changed(const ApprovalRequest& request) {
    Numbers numbers;
    for (const auto& id : Must(Settle(request)).changed) {
      for (unsigned number = 1; number <= 3; ++number) {
        if (id == SampleNodeId(number)) numbers.push_back(number);
      }
    }
    return numbers;
  }
  // As an operator sees them now.
  ApprovalRequest Seen(const Numbers& numbers) const {
    ApprovalRequest request;
    for (const unsigned number : numbers)
      request.seen.push_back(
          {.id = SampleNodeId(number), .appearance = issuer::AppearanceOf(Find(number))});
    return request;
  }
  NodeRecord Find(unsigned number) const {
    return Must(issuer.inventory->Find(SampleNodeId(number)));
  }
  size_t Lines() const { return issuer.AuditRecords().size(); }

  IssuerRig issuer;
};

TEST_F(ApprovalTest, LetsANamedHostIn) {
  const auto outcome = Must(Settle({.nodes = {SampleNodeId(1)}, .labels = {{"site", "berlin"}}}));
  ASSERT_EQ(outcome.nodes.size(), 1U);
  EXPECT_EQ(outcome.nodes[0], Find(1));
  EXPECT_EQ(Find(1).standing, Standing::kAllowed);
  EXPECT_EQ(Find(1).labels, (NodeLabels{{"rack", "1"}, {"site", "berlin"}}));
  EXPECT_TRUE(Find(1).shown.empty());
  EXPECT_EQ(Find(2).standing, Standing::kPending);
  const auto line = issuer.AuditRecords().back();
  EXPECT_EQ(line["event"], "node.approved");
  EXPECT_EQ(line["actor"], "uid 7");
  EXPECT_EQ(line["node"], SampleNodeId(1));
  EXPECT_EQ(line["before"], "pending");
  EXPECT_EQ(line["detail"], "rack=1,site=berlin");
  EXPECT_EQ(line["shown"]["assurance"], "hardware");
}

TEST_F(ApprovalTest, LetsInWhatWasSeen) {
  EXPECT_EQ(Changed(Seen({1, 3})), (Numbers{1, 3}));
  EXPECT_EQ(Find(2).standing, Standing::kPending);
  const auto again = Must(Settle(Seen({1})));
  EXPECT_TRUE(again.changed.empty());
  EXPECT_TRUE(again.skipped.empty()) << "it is in already";
  EXPECT_EQ(Changed({}), Numbers{}) << "nobody is meant by leaving something out";
}

TEST_F(ApprovalTest, LeavesWhatLooksOtherwiseByNow) {
  const ApprovalRequest seen = Seen({1, 2, 3});
  NodeRecord other = Find(1);
  other.shown["assurance"] = "inventory";
  Put(other);
  NodeRecord relabelled = Find(2);
  relabelled.labels["rack"] = "9";
  Put(relabelled);
  NodeRecord seen_again = Find(3);
  seen_again.last_seen += std::chrono::minutes(2);
  Put(seen_again);
  for (const bool deny : {true, false}) {
    ApprovalRequest request = seen;
    request.deny = deny;
    request.dry_run = deny;
    const auto outcome = Must(Settle(request));
    EXPECT_EQ(outcome.changed, std::vector{SampleNodeId(3)});
    EXPECT_EQ(outcome.skipped, (std::vector{SampleNodeId(1), SampleNodeId(2)}));
  }
  EXPECT_EQ(Find(1).standing, Standing::kPending);
}

TEST_F(ApprovalTest, LeavesWhatWaitsNoLonger) {
  ApprovalRequest seen = Seen({1});
  Must(issuer.inventory->Remove(SampleNodeId(1), "uid 0"));
  seen.seen.push_back({.id = SampleNodeId(77), .appearance = {}});
  const auto outcome = Must(Settle(seen));
  EXPECT_EQ(outcome.skipped, (std::vector{SampleNodeId(1), SampleNodeId(77)}));
  EXPECT_TRUE(outcome.nodes.empty());
}

TEST_F(ApprovalTest, TakesWholeIdsOnly) {
  for (const std::string& name : {SampleNodeId(1).substr(0, 63),
                                  "spiffe://example.org/node/" + SampleNodeId(1).substr(0, 8)}) {
    EXPECT_EQ(Settle({.nodes = {name}}).error().Name(), "node-id-short") << name;
    EXPECT_EQ(Settle({.nodes = {name}, .deny = true}).error().Name(), "node-id-short") << name;
  }
  EXPECT_EQ(Changed({.nodes = {"spiffe://example.org/node/" + SampleNodeId(1)}}), Numbers{1});
}

TEST_F(ApprovalTest, BarsAHostUntilItIsAllowed) {
  EXPECT_EQ(Changed({.nodes = {SampleNodeId(1)}, .deny = true}), Numbers{1});
  EXPECT_EQ(Find(1).standing, Standing::kBarred);
  EXPECT_EQ(issuer.AuditEvents().back(), "node.denied");
  EXPECT_EQ(Settle({.nodes = {SampleNodeId(1)}}).error().Name(), "node-not-pending");
  EXPECT_TRUE(Must(issuer.inventory->Allow(SampleNodeId(1), {}, "uid 7")).changed);
  EXPECT_EQ(Find(1).standing, Standing::kAllowed);
  EXPECT_EQ(issuer.AuditRecords().back()["before"], "barred");
}

TEST_F(ApprovalTest, ChangesNothingASecondTime) {
  for (const bool deny : {false, true}) {
    const ApprovalRequest request{.nodes = {SampleNodeId(deny ? 2 : 1)}, .deny = deny};
    EXPECT_EQ(Changed(request).size(), 1U);
    const size_t lines = Lines();
    EXPECT_EQ(Must(Settle(request)).nodes.size(), 1U);
    EXPECT_TRUE(Changed(request).empty());
    EXPECT_EQ(Lines(), lines);
  }
}

TEST_F(ApprovalTest, TakesAllOfThoseNamedOrNone) {
  const size_t lines = Lines();
  EXPECT_EQ(Settle({.nodes = {SampleNodeId(1), SampleNodeId(77)}}).error().Name(),
            "node-not-found");
  Must(issuer.inventory->Remove(SampleNodeId(2), "uid 0"));
  const auto refused = Settle({.nodes = {SampleNodeId(1), SampleNodeId(2)}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Name(), "node-not-pending");
  EXPECT_FALSE(refused.error().advice.empty());
  EXPECT_EQ(Find(1).standing, Standing::kPending);
  EXPECT_EQ(Lines(), lines + 1) << "the removal";
  EXPECT_EQ(Changed({.nodes = {SampleNodeId(1), SampleNodeId(1)}}), Numbers{1}) << "named twice";
}

TEST_F(ApprovalTest, TriesWithoutChangingAnything) {
  const size_t lines = Lines();
  ApprovalRequest request = Seen({1, 2, 3});
  request.dry_run = true;
  const auto tried = Must(Settle(request));
  EXPECT_EQ(tried.changed.size(), 3U);
  EXPECT_EQ(Find(1).standing, Standing::kPending);
  EXPECT_EQ(Lines(), lines);
}

TEST_F(ApprovalTest, TellsWhoListens) {
  std::vector<std::string> heard;
  issuer.context->node_changed = [&](const std::string& id) { heard.push_back(id); };
  Must(Settle({.nodes = {SampleNodeId(2)}}));
  Must(Settle({.nodes = {SampleNodeId(1)}, .dry_run = true}));
  EXPECT_EQ(heard, std::vector{SampleNodeId(2)});
}

}  // namespace
}  // namespace lodekey::test
