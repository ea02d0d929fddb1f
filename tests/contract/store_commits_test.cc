// What every store promises of changes that share a commit, and of reads beside them.
#include <stdexcept>
#include <thread>

#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::Must;
using test::SampleNode;
using test::SampleNodeId;

// Changes together.

TEST_P(StoreTest, LetsOneChangeFailAloneAmongOthers) {
  const auto record = [](const char* text) -> Change {
    return [text](Transaction& transaction) -> Result<void> {
      transaction.Audit(text);
      return {};
    };
  };
  const auto outcomes = CommitTogether({
      record(R"({"n":1})"),
      [](Transaction& transaction) -> Result<void> {
        Must(transaction.PutNode(SampleNode(1)));
        transaction.Audit(R"({"n":"lost"})");
        return Fail(Code::kDenied, "no");
      },
      [](Transaction& transaction) -> Result<void> {
        Must(transaction.PutNode(SampleNode(2)));
        transaction.Audit(R"({"n":"lost"})");
        throw std::runtime_error("boom");
      },
      record(R"({"n":2})"),
  });
  ASSERT_TRUE(outcomes[0] && outcomes[3]);
  EXPECT_EQ(outcomes[1].error().code, Code::kDenied);
  EXPECT_EQ(outcomes[2].error().code, Code::kInternal);
  EXPECT_NE(outcomes[2].error().text.find("boom"), std::string::npos);
  EXPECT_EQ(outcomes[3]->seq, 2U);
  EXPECT_EQ(Find(SampleNodeId(1)), std::nullopt);
  EXPECT_EQ(Find(SampleNodeId(2)), std::nullopt);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].record, R"({"n":2})");
}

TEST_P(StoreTest, ShowsAChangeWhatEarlierOnesDid) {
  const auto count = [](unsigned expected) -> Change {
    return [expected](Transaction& transaction) -> Result<void> {
      EXPECT_EQ(Must(transaction.ListNodes("", 100)).size(), expected);
      EXPECT_EQ(Must(transaction.AuditHead()).seq, expected);
      transaction.Audit("{}");
      return transaction.PutNode(SampleNode(expected + 1));
    };
  };
  for (const auto& outcome : CommitTogether({count(0), count(1), count(2)})) {
    EXPECT_TRUE(outcome) << outcome.error().text;
  }
}

TEST_P(StoreTest, LetsOneOfTwoChangesOfTheSameRevisionWin) {
  Must(Put(SampleNode(1)));
  NodeRecord node = Find(SampleNodeId(1)).value();
  const Change change = [node](Transaction& transaction) { return transaction.PutNode(node); };
  const auto outcomes = CommitTogether({change, change});
  EXPECT_TRUE(outcomes[0]);
  ASSERT_FALSE(outcomes[1]);
  EXPECT_EQ(outcomes[1].error().Name(), "node-changed");
  EXPECT_EQ(Find(SampleNodeId(1))->revision, 2U);
}

TEST_P(StoreTest, TakesChangesAndReadsFromManyThreads) {
  constexpr unsigned kThreads = 6;
  constexpr unsigned kChanges = 40;
  std::vector<std::jthread> threads;
  for (unsigned number = 1; number <= kThreads; ++number) {
    threads.emplace_back([this, number] {
      uint64_t seen = 0;
      for (unsigned i = 0; i < kChanges; ++i) {
        NodeRecord node = SampleNode(number);
        node.revision = i;
        const auto head = Must(Commit([&](Transaction& transaction) {
          transaction.Audit("{}");
          return transaction.PutNode(node);
        }));
        EXPECT_GT(head.seq, seen);
        seen = head.seq;
        EXPECT_EQ(Find(node.id)->revision, i + 1);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(Lines().size(), kThreads * kChanges);
}

TEST_P(StoreTest, LosesOneReplyToACompletionThatThrows) {
  std::promise<Result<crypto::ChainHead>> answered;
  const Change put_other = [](Transaction& transaction) {
    return transaction.PutNode(SampleNode(2));
  };
  store().Commit([](Transaction& transaction) { return transaction.PutNode(SampleNode(1)); },
                 [](const Result<crypto::ChainHead>&) { throw std::runtime_error("boom"); });
  store().Commit([](Transaction&) -> Result<void> { return Fail(Code::kDenied, "no"); },
                 [](const Result<crypto::ChainHead>&) { throw 7; });
  store().Commit(put_other,
                 [&](Result<crypto::ChainHead> head) { answered.set_value(std::move(head)); });
  EXPECT_TRUE(answered.get_future().get());
  EXPECT_TRUE(Find(SampleNodeId(1))) << "what was committed stays";
  Must(Put(SampleNode(3)));
}

// Reads.

TEST_P(StoreTest, ReadsOneSnapshot) {
  Must(Put(SampleNode(1)));
  Must(store().Read([&](View& view) -> Result<void> {
    EXPECT_EQ(Must(view.ListNodes("", 10)).size(), 1U);
    Must(Put(SampleNode(2)));
    EXPECT_EQ(Must(view.ListNodes("", 10)).size(), 1U);
    EXPECT_EQ(Must(view.FindNode(SampleNodeId(2))), std::nullopt);
    return {};
  }));
  EXPECT_TRUE(Find(SampleNodeId(2)));
}

TEST_P(StoreTest, ReadsWithinARead) {
  Must(Put(SampleNode(1)));
  Must(store().Read([&](View&) -> Result<void> {
    EXPECT_TRUE(Find(SampleNodeId(1)));
    return {};
  }));
}

TEST_P(StoreTest, GivesTheErrorOfAReadBack) {
  const auto refused =
      store().Read([](View&) -> Result<void> { return Fail(Code::kDenied, "no"); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDenied);
  const auto thrown = store().Read([](View&) -> Result<void> { throw std::runtime_error("boom"); });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code, Code::kInternal);
}

}  // namespace
}  // namespace lodekey::issuer
