// What every store promises of decisions.
#include <algorithm>

#include "issuer/entry_record.h"
#include "issuer/store_limits.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::At;
using test::Must;
using test::SampleDecision;
using test::SampleNodeId;
using Numbers = std::vector<uint64_t>;

class StoreDecisionsTest : public StoreTest {
 protected:
  Result<crypto::ChainHead> PutDecision(const DecisionRecord& record) {
    return Commit([&](Transaction& transaction) { return transaction.PutDecision(record); });
  }
  // Decisions 1, 2, …: of nodes 1 and 2 in turn, each third one at another point, each fourth one
  // a denial.
  void PutMany(unsigned count) {
    for (unsigned number = 1; number <= count; ++number) {
      DecisionRecord record = SampleDecision(number);
      record.node = SampleNodeId(1 + (number + 1) % 2);
      if (number % 3 == 0) record.point = "standing";
      record.allowed = number % 4 != 0;
      Must(PutDecision(record));
    }
  }
  std::vector<DecisionRecord> Records(const DecisionFilter& filter, size_t limit) {
    return Read<std::vector<DecisionRecord>>(
        [&](View& view) { return view.ListDecisions(filter, limit); });
  }
  Numbers List(const DecisionFilter& filter, size_t limit = 100) {
    Numbers numbers;
    for (const DecisionRecord& record : Records(filter, limit)) numbers.push_back(record.seq);
    return numbers;
  }
  Result<std::optional<DecisionRecord>> Find(ByteView prefix) {
    std::optional<DecisionRecord> found;
    RETURN_IF_ERROR(store().Read([&](View& view) -> Result<void> {
      ASSIGN_OR_RETURN(found, view.FindDecision(prefix), "find");
      return {};
    }),
                    "find");
    return found;
  }
  std::optional<DecisionRecord> LastStanding(unsigned node) {
    return Read<std::optional<DecisionRecord>>(
        [&](View& view) { return view.LastStanding(SampleNodeId(node)); });
  }
};

TEST_P(StoreDecisionsTest, GivesBackWhatWasStored) {
  DecisionRecord record = SampleDecision(1);
  record.outcome = std::string("\0\xff", 2);
  Must(PutDecision(record));
  record.seq = 1;
  EXPECT_EQ(Records({}, 10), std::vector{record});
  EXPECT_EQ(Must(Find(record.input_digest)), record);
}

// A host that was denied is in no inventory.
TEST_P(StoreDecisionsTest, KeepsThoseOfNodesThatAreNotStored) {
  ASSERT_FALSE(StoreTest::Find(SampleNodeId(1)));
  Must(PutDecision(SampleDecision(1)));
  EXPECT_EQ(List({}), Numbers{1});
}

TEST_P(StoreDecisionsTest, ListsThoseThatAreAskedFor) {
  PutMany(12);
  EXPECT_EQ(List({}).size(), 12U);
  EXPECT_EQ(List({.node = SampleNodeId(1)}), (Numbers{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(List({.point = "standing"}), (Numbers{3, 6, 9, 12}));
  EXPECT_EQ(List({.allowed = false}), (Numbers{4, 8, 12}));
  EXPECT_EQ(List({.allowed = true}).size(), 9U);
  EXPECT_EQ(List({.node = SampleNodeId(2), .point = "standing", .allowed = true}), Numbers{6});
  EXPECT_EQ(List({.since = At(5), .until = At(8)}), (Numbers{5, 6, 7}));
  EXPECT_EQ(List({.since = At(5), .until = At(8), .node = SampleNodeId(2)}), Numbers{6});
  EXPECT_TRUE(List({.node = SampleNodeId(3)}).empty());
  EXPECT_TRUE(List({.since = At(13)}).empty());
}

TEST_P(StoreDecisionsTest, ListsThemPageByPage) {
  PutMany(12);
  for (const DecisionFilter& filter : {DecisionFilter{}, DecisionFilter{.since = At(2)},
                                       DecisionFilter{.node = SampleNodeId(2)}}) {
    Numbers paged;
    DecisionFilter from = filter;
    for (Numbers page = List(from, 5); !page.empty(); page = List(from, 5)) {
      EXPECT_LE(page.size(), 5U);
      paged.insert(paged.end(), page.begin(), page.end());
      from.after = page.back();
    }
    EXPECT_EQ(paged, List(filter));
  }
}

// In a clock's order or not: none is left out that a filter names.
TEST_P(StoreDecisionsTest, FindsThemWhenTheClockWentBack) {
  for (const int64_t time : {50, 10, 60, 20}) {
    DecisionRecord record = SampleDecision(static_cast<unsigned>(time));
    record.decided = At(time);
    Must(PutDecision(record));
  }
  EXPECT_EQ(List({.since = At(20)}), (Numbers{1, 3, 4}));
  EXPECT_EQ(List({.since = At(10), .until = At(50)}), (Numbers{2, 4}));
}

TEST_P(StoreDecisionsTest, EndsAPageWhereTheInputsAreMuch) {
  constexpr size_t kFit = kMaxDecisionPage / kMaxDecisionInput;
  for (unsigned number = 1; number <= kFit + 2; ++number)
    Must(PutDecision(test::SampleDecision(number, kMaxDecisionInput)));
  const Numbers first = List({}, 1000);
  EXPECT_LE(first.size(), kFit);
  EXPECT_GE(first.size(), kFit - 1);
  EXPECT_EQ(first.size() + List({.after = first.back()}, 1000).size(), kFit + 2);
}

TEST_P(StoreDecisionsTest, FindsAnInputByABeginningThatIsItsAlone) {
  PutMany(3);
  DecisionRecord again = SampleDecision(2);
  again.decided = At(70);
  Must(PutDecision(again));
  const Bytes digest = SampleDecision(2).input_digest;
  EXPECT_EQ(Must(Find(ByteView(digest).first(8)))->seq, 4U) << "the newest";
  EXPECT_EQ(Must(Find(SampleDecision(9).input_digest)), std::nullopt);
  EXPECT_EQ(Must(Find({})), std::nullopt);
  EXPECT_EQ(Must(Find(Bytes(33, 1))), std::nullopt);
}

TEST_P(StoreDecisionsTest, SaysWhenABeginningIsThatOfTwoInputs) {
  // Two of 257 begin with the same byte.
  std::vector<Bytes> digests;
  for (unsigned number = 1; number <= 257; ++number) {
    digests.push_back(SampleDecision(number).input_digest);
    Must(PutDecision(SampleDecision(number)));
  }
  std::ranges::sort(digests);
  const auto twin = std::ranges::adjacent_find(
      digests, [](const Bytes& a, const Bytes& b) { return a.front() == b.front(); });
  ASSERT_NE(twin, digests.end());
  const auto found = Find(ByteView(*twin).first(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().Name(), "input-ambiguous");
  EXPECT_FALSE(found.error().advice.empty());
  EXPECT_TRUE(Must(Find(*twin)));
}

TEST_P(StoreDecisionsTest, KnowsTheLastOnANodesStanding) {
  PutMany(12);
  EXPECT_EQ(LastStanding(1)->seq, 9U);
  EXPECT_EQ(LastStanding(2)->seq, 12U);
  EXPECT_EQ(LastStanding(3), std::nullopt);
}

TEST_P(StoreDecisionsTest, RefusesDecisionsBeyondTheLimits) {
  const auto set_input = [](DecisionRecord& record, std::string input) {
    record.input = std::move(input);
    record.input_digest = ToBytes(crypto::Sha256(AsBytes(record.input)));
  };
  for (const std::function<void(DecisionRecord&)>& change :
       std::vector<std::function<void(DecisionRecord&)>>{
           [](DecisionRecord& record) { record.node = "node"; },
           [](DecisionRecord& record) { record.point.clear(); },
           [](DecisionRecord& record) { record.point.assign(kMaxDecisionPoint + 1, 'p'); },
           [](DecisionRecord& record) { record.entry.assign(kMaxEntryId + 1, 'e'); },
           [](DecisionRecord& record) { record.decided = At(0) - std::chrono::years(100); },
           [](DecisionRecord& record) { record.outcome.assign(kMaxDecisionOutcome + 1, 'x'); },
           [](DecisionRecord& record) { record.input_digest.back() ^= 1; },
           [&](DecisionRecord& record) { set_input(record, {}); },
           [&](DecisionRecord& record) {
             set_input(record, std::string(kMaxDecisionInput + 1, 'x'));
           }}) {
    DecisionRecord record = SampleDecision(1);
    change(record);
    ExpectFails([&](Transaction& transaction) { return transaction.PutDecision(record); },
                Code::kInvalidArgument, "record-invalid");
  }
  EXPECT_TRUE(List({}).empty());
}

TEST_P(StoreDecisionsTest, TakesBackWhatAFailedChangeDid) {
  ExpectFails(
      [](Transaction& transaction) -> Result<void> {
        Must(transaction.PutDecision(SampleDecision(1)));
        EXPECT_EQ(Must(transaction.ListDecisions({}, 10)).size(), 1U);
        return Fail(Code::kDenied, "no");
      },
      Code::kDenied, "denied");
  EXPECT_TRUE(List({}).empty());
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreDecisionsTest, ::testing::ValuesIn(Stores()), StoreName);

}  // namespace
}  // namespace lodekey::issuer
