// What every store promises of the room that decisions have.
#include "issuer/store_limits.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::FullNode;
using test::Must;
using test::SampleDecision;
using test::SampleNode;
using test::SampleNodeId;
using Numbers = std::vector<uint64_t>;

// Bytes of a decision, nearly; there is room for three.
constexpr size_t kSize = 100'000;

class StoreDecisionRoomTest : public StoreTest {
 protected:
  void SetUp() override { MakeWithRoom(3 * kSize + kSize / 2); }

  static DecisionRecord Decision(unsigned node, const std::string& point = "issuance") {
    DecisionRecord record = SampleDecision(node, kSize);
    record.node = SampleNodeId(node);
    record.point = point;
    return record;
  }
  void PutDecision(const DecisionRecord& record) {
    Must(Commit([&](Transaction& transaction) { return transaction.PutDecision(record); }));
  }
  void PutMany(unsigned count, const DecisionRecord& record) {
    for (unsigned i = 0; i < count; ++i) PutDecision(record);
  }
  Numbers Decisions() {
    Numbers numbers;
    for (const DecisionRecord& record :
         Read<std::vector<DecisionRecord>>([](View& view) { return view.ListDecisions({}, 1000); }))
      numbers.push_back(record.seq);
    return numbers;
  }
  void SetStanding(unsigned number, Standing standing) {
    NodeRecord node = Find(SampleNodeId(number)).value_or(SampleNode(number));
    node.standing = standing;
    Must(Put(node));
  }
};

TEST_P(StoreDecisionRoomTest, IsNeverExceededByTheNextOne) {
  PutMany(3, Decision(1));
  EXPECT_EQ(Decisions(), (Numbers{1, 2, 3}));
  PutDecision(Decision(1));
  EXPECT_EQ(Decisions(), (Numbers{2, 3, 4})) << "the oldest gives way";
}

TEST_P(StoreDecisionRoomTest, IsThereForOutcomesToo) {
  DecisionRecord record = SampleDecision(1);
  record.outcome.assign(kSize, 'x');
  PutMany(4, record);
  EXPECT_EQ(Decisions(), (Numbers{2, 3, 4}));
}

TEST_P(StoreDecisionRoomTest, IsTakenByTheSmallestOnesToo) {
  constexpr unsigned kMany = 2000;
  Must(Commit([](Transaction& transaction) -> Result<void> {
    for (unsigned number = 1; number <= kMany; ++number)
      Must(transaction.PutDecision(SampleDecision(number)));
    return {};
  }));
  EXPECT_LT(Decisions().size(), kMany / 2);
  // One that is larger than all of them: many go at once.
  PutDecision(Decision(1));
  PutDecision(Decision(1));
  PutDecision(Decision(1));
  EXPECT_LT(Decisions().size(), kMany / 20);
}

TEST_P(StoreDecisionRoomTest, IsTakenFromTheNodeThatHasMost) {
  PutDecision(Decision(2));
  PutMany(9, Decision(1));
  EXPECT_EQ(Decisions(), (Numbers{1, 9, 10})) << "a noisy node takes nobody else's";
  PutDecision(Decision(3));
  EXPECT_EQ(Decisions(), (Numbers{1, 10, 11}));
}

TEST_P(StoreDecisionRoomTest, IsLeftToTheNewestStandingOfActiveNodes) {
  SetStanding(1, Standing::kActive);
  PutDecision(Decision(1, "standing"));
  PutMany(5, Decision(1));
  EXPECT_EQ(Decisions(), (Numbers{1, 5, 6}));
  PutDecision(Decision(1, "standing"));
  EXPECT_EQ(Decisions(), (Numbers{5, 6, 7})) << "the one before it is like any other";
  // Where nothing else is left, the room is exceeded.
  for (const unsigned node : {2U, 3U, 4U, 5U}) {
    SetStanding(node, Standing::kActive);
    PutDecision(Decision(node, "standing"));
  }
  EXPECT_EQ(Decisions(), (Numbers{7, 8, 9, 10, 11}));
  PutDecision(Decision(6));
  EXPECT_EQ(Decisions(), (Numbers{7, 8, 9, 10, 11}));
}

TEST_P(StoreDecisionRoomTest, IsNotLeftToNodesThatAreNotActive) {
  SetStanding(1, Standing::kRefused);
  PutDecision(Decision(1, "standing"));
  SetStanding(2, Standing::kActive);
  PutDecision(Decision(2, "standing"));
  SetStanding(2, Standing::kRemoved);
  PutMany(3, Decision(1));
  EXPECT_EQ(Decisions(), (Numbers{2, 4, 5}));
  PutMany(2, Decision(2));
  EXPECT_GT(Decisions().front(), 2U);
}

TEST_P(StoreDecisionRoomTest, IsNotTakenByAChangeThatFailed) {
  PutMany(2, Decision(1));
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(Commit([](Transaction& transaction) -> Result<void> {
      Must(transaction.PutDecision(Decision(1)));
      return Fail(Code::kDenied, "no");
    }));
  }
  PutDecision(Decision(1));
  EXPECT_EQ(Decisions().size(), 3U);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreDecisionRoomTest, ::testing::ValuesIn(Stores()), StoreName);

}  // namespace
}  // namespace lodekey::issuer
