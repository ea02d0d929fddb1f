// The stores that keep the contract, and what they promise of nodes.
#include <limits>

#include "issuer/sqlite_store.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::FullNode;
using test::Must;
using test::SampleNode;
using test::SampleNodeId;

TEST_P(StoreTest, IsEmptyAtFirst) {
  EXPECT_EQ(Find(SampleNodeId(1)), std::nullopt);
  EXPECT_EQ(FindByEk(SampleNodeId(1)), std::nullopt);
  EXPECT_FALSE(FindCredential(1));
  EXPECT_TRUE(References("default").empty());
  EXPECT_EQ(Read<crypto::ChainHead>([](View& view) { return view.AuditHead(); }),
            crypto::ChainHead());
}

TEST_P(StoreTest, GivesANodeBackWithEveryField) {
  NodeRecord node = FullNode(1);
  Must(Put(node));
  node.revision = 1;
  EXPECT_EQ(Find(node.id), node);
}

TEST_P(StoreTest, ReplacesTheRevisionThatWasRead) {
  Must(Put(SampleNode(1)));
  NodeRecord node = Find(SampleNodeId(1)).value();
  node.standing = Standing::kQuarantined;
  node.labels["site"] = "north";
  Must(Put(node));
  node.revision = 2;
  EXPECT_EQ(Find(node.id), node);
}

TEST_P(StoreTest, RefusesARevisionThatIsNotTheStoredOne) {
  Must(Put(SampleNode(1)));
  const NodeRecord stored = Find(SampleNodeId(1)).value();
  for (const uint64_t revision : {0U, 2U, 7U}) {
    NodeRecord node = SampleNode(1);
    node.revision = revision;
    node.standing = Standing::kActive;
    ExpectFails([&](Transaction& transaction) { return transaction.PutNode(node); },
                Code::kConflict, "node-changed");
  }
  EXPECT_EQ(Find(SampleNodeId(1)), stored);
}

TEST_P(StoreTest, RefusesToReplaceANodeThatIsNotStored) {
  NodeRecord node = SampleNode(1);
  node.revision = 1;
  ExpectFails([&](Transaction& transaction) { return transaction.PutNode(node); }, Code::kConflict,
              "node-changed");
}

TEST_P(StoreTest, RefusesANodeBeyondTheLimits) {
  NodeRecord node = FullNode(1);
  node.enrolment->ledger.resize(70000);
  ExpectFails([&](Transaction& transaction) { return transaction.PutNode(node); },
              Code::kInvalidArgument, "node-state-invalid");
  EXPECT_EQ(Find(node.id), std::nullopt);
}

TEST_P(StoreTest, FindsANodeByEachOfItsEndorsementKeys) {
  NodeRecord node = SampleNode(1);
  node.ek_hashes.push_back(SampleNodeId(77));
  Must(Put(node));
  node.revision = 1;
  EXPECT_EQ(FindByEk(SampleNodeId(1)), node);
  EXPECT_EQ(FindByEk(SampleNodeId(77)), node);
  EXPECT_EQ(FindByEk(SampleNodeId(78)), std::nullopt);
}

TEST_P(StoreTest, RefusesAnEndorsementKeyOfAnotherNode) {
  NodeRecord first = SampleNode(1);
  first.ek_hashes.push_back(SampleNodeId(77));
  Must(Put(first));
  NodeRecord second = SampleNode(2);
  second.ek_hashes.push_back(SampleNodeId(77));
  ExpectFails([&](Transaction& transaction) { return transaction.PutNode(second); },
              Code::kConflict, "ek-taken");
  EXPECT_EQ(Find(second.id), std::nullopt);
  EXPECT_EQ(FindByEk(second.id), std::nullopt);
  EXPECT_EQ(FindByEk(SampleNodeId(77))->id, first.id);
}

TEST_P(StoreTest, RefusesAnEndorsementKeyOfAnotherNodeWhenANodeIsReplaced) {
  Must(Put(SampleNode(1)));
  Must(Put(SampleNode(2)));
  NodeRecord node = Find(SampleNodeId(2)).value();
  node.ek_hashes.push_back(SampleNodeId(1));
  ExpectFails([&](Transaction& transaction) { return transaction.PutNode(node); }, Code::kConflict,
              "ek-taken");
  EXPECT_EQ(Find(SampleNodeId(2))->ek_hashes.size(), 1U);
}

TEST_P(StoreTest, GivesAnEndorsementKeyFreeThatANodeNoLongerHas) {
  NodeRecord node = SampleNode(1);
  node.ek_hashes.push_back(SampleNodeId(77));
  Must(Put(node));
  node.revision = 1;
  node.ek_hashes.pop_back();
  Must(Put(node));
  EXPECT_EQ(FindByEk(SampleNodeId(77)), std::nullopt);
  NodeRecord other = SampleNode(2);
  other.ek_hashes.push_back(SampleNodeId(77));
  Must(Put(other));
  EXPECT_EQ(FindByEk(SampleNodeId(77))->id, other.id);
}

TEST_P(StoreTest, KeepsADevIdForOneNode) {
  const auto owner = [&](ByteView devid) {
    return Read<std::optional<NodeId>>([&](View& view) { return view.FindNodeByDevId(devid); });
  };
  const Bytes devid(32, 7);
  NodeRecord first = SampleNode(1);
  first.devid = devid;
  Must(Put(first));
  for (const unsigned number : {2U, 3U}) Must(Put(SampleNode(number)));
  EXPECT_EQ(owner(devid), first.id);
  EXPECT_EQ(owner({}), std::nullopt) << "those that have none share nothing";

  NodeRecord second = Find(SampleNodeId(2)).value();
  second.devid = devid;
  NodeRecord fourth = SampleNode(4);
  fourth.devid = devid;
  for (const NodeRecord& copy : {second, fourth}) {
    ExpectFails([&](Transaction& transaction) { return transaction.PutNode(copy); },
                Code::kConflict, "devid-taken");
  }
  EXPECT_EQ(owner(devid), first.id);

  first.revision = 1;
  Must(Put(first));
  first.revision = 2;
  first.devid.clear();
  Must(Put(first));
  Must(Put(second));
  EXPECT_EQ(owner(devid), second.id);
}

TEST_P(StoreTest, CountsNodesByStanding) {
  const auto count = [&](Standing standing) {
    return Read<uint64_t>([&](View& view) { return view.CountNodes(standing); });
  };
  for (const unsigned number : {1U, 2U, 3U}) {
    NodeRecord node = SampleNode(number);
    node.standing = number == 1 ? Standing::kAllowed : Standing::kPending;
    Must(Put(node));
  }
  EXPECT_EQ(count(Standing::kPending), 2U);
  EXPECT_EQ(count(Standing::kAllowed), 1U);
  EXPECT_EQ(count(Standing::kBarred), 0U);
  NodeRecord node = Find(SampleNodeId(2)).value();
  node.standing = Standing::kBarred;
  Must(Put(node));
  EXPECT_EQ(count(Standing::kPending), 1U);
  EXPECT_EQ(count(Standing::kBarred), 1U);
}

TEST_P(StoreTest, ListsNodesInOrderAPageAtATime) {
  for (const unsigned number : {5U, 1U, 4U, 2U, 3U}) Must(Put(SampleNode(number)));
  std::vector<NodeId> seen;
  NodeId after;
  while (true) {
    const auto page =
        Read<std::vector<NodeRecord>>([&](View& view) { return view.ListNodes(after, 2); });
    if (page.empty()) break;
    EXPECT_LE(page.size(), 2U);
    for (const NodeRecord& node : page) seen.push_back(node.id);
    after = seen.back();
  }
  ASSERT_EQ(seen.size(), 5U);
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(seen[i], SampleNodeId(i + 1));
  EXPECT_EQ(Read<std::vector<NodeRecord>>([](View& view) {
              return view.ListNodes("", std::numeric_limits<size_t>::max());
            }).size(),
            5U);
}

TEST_P(StoreTest, ListsThoseOfAStandingAPageAtATime) {
  for (unsigned number = 1; number <= 6; ++number) {
    NodeRecord node = SampleNode(number);
    node.standing = number % 2 == 0 ? Standing::kPending : Standing::kAllowed;
    Must(Put(node));
  }
  const auto list = [&](const NodeId& after) {
    std::vector<NodeId> ids;
    for (const NodeRecord& node : Read<std::vector<NodeRecord>>(
             [&](View& view) { return view.ListNodesOf(Standing::kPending, after, 2); }))
      ids.push_back(node.id);
    return ids;
  };
  EXPECT_EQ(list(""), (std::vector{SampleNodeId(2), SampleNodeId(4)}));
  EXPECT_EQ(list(SampleNodeId(4)), std::vector{SampleNodeId(6)});
  EXPECT_TRUE(list(SampleNodeId(6)).empty());
}

// The stores.

class SqliteUnderTest final : public StoreUnderTest {
 public:
  explicit SqliteUnderTest(uint64_t decision_bytes)
      : store_(Must(test::OpenStore(files_, {.decision_bytes = decision_bytes}))) {}
  Store& store() override { return *store_; }
  std::string log() const override { return files_.log; }

 private:
  test::ScratchDirectory directory_;
  test::StoreFiles files_{directory_.path()};
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest, ::testing::ValuesIn(Stores()), StoreName);

}  // namespace

const std::vector<StoreFactory>& Stores() {
  static const std::vector<StoreFactory> stores{
      {"Sqlite",
       [](uint64_t decision_bytes) { return std::make_unique<SqliteUnderTest>(decision_bytes); }},
  };
  return stores;
}

}  // namespace lodekey::issuer
