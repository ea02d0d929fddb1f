#include "issuer/inventory_import.h"

#include <gtest/gtest.h>

#include "issuer/node_limits.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::ImportedNodes;
using issuer::InventoryRow;
using issuer::NodeLabels;
using issuer::NodeRecord;
using issuer::Standing;

class InventoryImportTest : public testing::Test {
 protected:
  ImportedNodes Import(const std::vector<InventoryRow>& rows, bool dry_run = false) {
    return Must(issuer::ImportNodes(*issuer.context, rows, dry_run, "uid 7"));
  }
  // "row: code" of each refusal.
  std::vector<std::string> Refusals(const std::vector<InventoryRow>& rows) {
    std::vector<std::string> refusals;
    for (const auto& refused : Import(rows).refused)
      refusals.push_back(std::to_string(refused.index) + ": " + std::string(refused.error.Name()));
    return refusals;
  }
  NodeRecord Find(unsigned number) const {
    return Must(issuer.inventory->Find(SampleNodeId(number)));
  }
  bool Knows(unsigned number) const {
    return issuer.inventory->Find(SampleNodeId(number)).has_value();
  }
  void Put(const NodeRecord& record) {
    Must(issuer.store->CommitAndWait(
        [&](issuer::Transaction& transaction) { return transaction.PutNode(record); }));
  }
  void PutStanding(unsigned number, Standing standing) {
    NodeRecord record = SampleNode(number);
    record.standing = standing;
    Put(record);
  }
  size_t Lines() const { return issuer.AuditRecords().size(); }

  IssuerRig issuer;
};

InventoryRow Row(unsigned number, NodeLabels labels = {}) {
  return {.ek_hash = SampleNodeId(number), .labels = std::move(labels)};
}

TEST_F(InventoryImportTest, PutsAllHostsInWithARecordForEach) {
  const size_t before = Lines();
  const auto outcome = Import({Row(1, {{"owner", "web"}, {"site", "berlin"}}), Row(2)});
  ASSERT_EQ(outcome.imported.size(), 2U);
  EXPECT_EQ(outcome.imported[0].id, SampleNodeId(1));
  EXPECT_TRUE(outcome.imported[0].created && outcome.imported[0].changed);
  EXPECT_EQ(Find(1).labels, (NodeLabels{{"owner", "web"}, {"site", "berlin"}}));
  EXPECT_EQ(Find(2).standing, Standing::kAllowed);
  const auto records = issuer.AuditRecords();
  ASSERT_EQ(records.size(), before + 2);
  EXPECT_EQ(records[before]["event"], "node.allowed");
  EXPECT_EQ(records[before]["actor"], "uid 7");
  EXPECT_EQ(records[before]["before"], "new");
  EXPECT_EQ(records[before]["detail"], "owner=web,site=berlin");
  EXPECT_EQ(records[before + 1]["node"], SampleNodeId(2));
}

TEST_F(InventoryImportTest, ChangesNothingASecondTime) {
  const std::vector<InventoryRow> rows = {Row(1, {{"owner", "web"}}), Row(2)};
  Import(rows);
  const size_t lines = Lines();
  const auto again = Import(rows);
  for (const auto& node : again.imported) EXPECT_FALSE(node.created || node.changed);
  EXPECT_EQ(Lines(), lines);
  EXPECT_EQ(Find(1).revision, 1U);
}

TEST_F(InventoryImportTest, SetsLabelsThatAreNamedAndKeepsTheOthers) {
  Import({Row(1, {{"owner", "web"}, {"site", "berlin"}, {"rack", "7"}})});
  const auto outcome = Import({Row(1, {{"owner", "db"}, {"site", ""}})});
  EXPECT_FALSE(outcome.imported[0].created);
  EXPECT_TRUE(outcome.imported[0].changed);
  EXPECT_EQ(Find(1).labels, (NodeLabels{{"owner", "db"}, {"rack", "7"}}));
}

TEST_F(InventoryImportTest, LeavesAnEnrolledNodeItsIdentity) {
  Host host;
  issuer.Admit(host);
  Import({{.ek_hash = host.id(), .labels = {{"site", "berlin"}}}});
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
  EXPECT_TRUE(issuer.Record(host).enrolment);
}

TEST_F(InventoryImportTest, NamesEachBadRowAndThenTakesNone) {
  NodeRecord two_keys = SampleNode(5);
  two_keys.ek_hashes.push_back(SampleNodeId(6));
  Put(two_keys);
  PutStanding(7, Standing::kRemoved);
  PutStanding(8, Standing::kBarred);
  PutStanding(9, Standing::kQuarantined);
  const size_t lines = Lines();
  EXPECT_EQ(Refusals({Row(1),
                      {.ek_hash = "nonsense", .labels = {}},
                      Row(1),
                      Row(5),
                      Row(6),
                      Row(7),
                      Row(8),
                      Row(9),
                      Row(10, {{"owner", std::string(issuer::kMaxLabelValue + 1, 'x')}})}),
            (std::vector<std::string>{"1: ek-hash-invalid", "2: row-duplicate", "4: row-duplicate",
                                      "5: node-removed", "6: node-barred", "7: node-quarantined",
                                      "8: node-state-invalid"}));
  EXPECT_FALSE(Knows(1));
  EXPECT_EQ(Lines(), lines);
}

TEST_F(InventoryImportTest, SaysWhichRowIsOfTheSameNode) {
  const auto outcome = Import({Row(1), Row(2), Row(1)});
  ASSERT_EQ(outcome.refused.size(), 1U);
  EXPECT_NE(outcome.refused[0].error.text.find("row 1 "), std::string::npos)
      << outcome.refused[0].error.text;
  EXPECT_FALSE(outcome.refused[0].error.advice.empty());
}

TEST_F(InventoryImportTest, LetsAHostInThatWaits) {
  NodeRecord waiting = SampleNode(1);
  waiting.standing = Standing::kPending;
  waiting.shown = {{"assurance", "hardware"}};
  Put(waiting);
  const auto outcome = Import({Row(1)});
  EXPECT_TRUE(outcome.imported[0].changed);
  EXPECT_FALSE(outcome.imported[0].created);
  EXPECT_EQ(Find(1).standing, Standing::kAllowed);
  EXPECT_TRUE(Find(1).shown.empty());
  EXPECT_EQ(issuer.AuditRecords().back()["before"], "pending");
}

TEST_F(InventoryImportTest, TriesWithoutChangingAnything) {
  Import({Row(1)});
  const size_t lines = Lines();
  const auto tried = Import({Row(1, {{"owner", "web"}}), Row(2)}, /*dry_run=*/true);
  ASSERT_EQ(tried.imported.size(), 2U);
  EXPECT_TRUE(tried.imported[0].changed);
  EXPECT_TRUE(tried.imported[1].created);
  EXPECT_TRUE(Find(1).labels.empty());
  EXPECT_FALSE(Knows(2));
  EXPECT_EQ(Lines(), lines);
}

TEST_F(InventoryImportTest, TellsWhoListensOfEachNodeThatChanged) {
  std::vector<std::string> heard;
  issuer.context->node_changed = [&](const std::string& id) { heard.push_back(id); };
  Import({Row(1), Row(2)});
  Import({Row(1), Row(2, {{"owner", "web"}})});
  Import({Row(3)}, /*dry_run=*/true);
  EXPECT_EQ(heard, (std::vector{SampleNodeId(1), SampleNodeId(2), SampleNodeId(2)}));
}

TEST_F(InventoryImportTest, TakesSoManyRowsAndNoMore) {
  std::vector<InventoryRow> rows;
  for (unsigned number = 0; number <= issuer::kMaxImportRows; ++number) rows.push_back(Row(number));
  const auto refused = issuer::ImportNodes(*issuer.context, rows, false, "uid 7");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Name(), "too-many-rows");
  rows.pop_back();
  EXPECT_EQ(Import(rows, /*dry_run=*/true).imported.size(), issuer::kMaxImportRows);
}

TEST_F(InventoryImportTest, SaysWhenTheStoreCannot) {
  issuer.store->Fail(
      Error{.code = Code::kUnavailable, .text = "full", .name = "store-unavailable"});
  const auto failed = issuer::ImportNodes(*issuer.context, {Row(1)}, false, "uid 7");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().Name(), "store-unavailable");
}

}  // namespace
}  // namespace lodekey::test
