#include "issuer/decision_book.h"

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::DecisionBook;
using issuer::DecisionFilter;
using issuer::DecisionPage;
namespace v1 = lodekey::policy::v1;

class DecisionBookTest : public testing::Test {
 protected:
  // Decisions 1 to `count`; each tenth one is a denial because of "pcr".
  void PutMany(unsigned count) {
    Must(issuer.store->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
      for (unsigned number = 1; number <= count; ++number) {
        auto record = SampleDecision(number);
        v1::Decision outcome;
        outcome.set_rule("lodekey.issuance");
        outcome.set_node("somebody else");
        outcome.set_policy_version(7);
        record.allowed = number % 10 != 0;
        if (!record.allowed) outcome.add_reasons()->set_code("pcr");
        record.outcome = outcome.SerializeAsString();
        Must(transaction.PutDecision(record));
      }
      return {};
    }));
  }
  DecisionPage List(const DecisionFilter& filter, const std::string& code, size_t limit) {
    return Must(book.List(filter, code, limit));
  }
  std::string NameOf(ByteView digest) {
    const auto found = book.Find(digest);
    return found ? "" : std::string(found.error().Name());
  }

  IssuerRig issuer;
  DecisionBook book{*issuer.context};
};

TEST_F(DecisionBookTest, ShowsDecisionsWithWhatTheirRowsSay) {
  PutMany(1);
  const auto page = List({}, "", 10);
  ASSERT_EQ(page.decisions.size(), 1U);
  EXPECT_EQ(page.next, 0U);
  const v1::Decision& decision = page.decisions[0];
  EXPECT_EQ(decision.rule(), "lodekey.issuance");
  EXPECT_EQ(decision.node(), SampleNodeId(1)) << "not what its outcome says";
  EXPECT_EQ(decision.point(), "issuance");
  EXPECT_EQ(decision.policy_version(), 0U);
  EXPECT_EQ(decision.decided_unix_ms(), At(1).time_since_epoch().count());
  EXPECT_EQ(ToBytes(decision.input_digest()), SampleDecision(1).input_digest);
  EXPECT_TRUE(decision.allowed());
}

TEST_F(DecisionBookTest, FindsThoseWithAReason) {
  PutMany(25);
  EXPECT_EQ(List({}, "pcr", 10).decisions.size(), 2U);
  EXPECT_TRUE(List({}, "other", 10).decisions.empty());
  EXPECT_EQ(List({.allowed = false}, "", 10).decisions.size(), 2U);
}

// However few there are among many: no call looks through all of them.
TEST_F(DecisionBookTest, GivesAllOfThemCallAfterCall) {
  PutMany(6001);
  size_t found = 0;
  size_t calls = 0;
  DecisionFilter filter;
  do {
    const auto page = List(filter, "pcr", 100);
    EXPECT_LE(page.decisions.size(), 100U);
    found += page.decisions.size();
    ++calls;
    filter.after = page.next;
  } while (filter.after != 0);
  EXPECT_EQ(found, 600U);
  EXPECT_GE(calls, 6U);
  EXPECT_NE(List({}, "other", 100).next, 0U);
}

TEST_F(DecisionBookTest, FindsAnInputByItsDigestOrABeginning) {
  PutMany(3);
  const auto digest = SampleDecision(2).input_digest;
  EXPECT_EQ(Must(book.Find(digest)).input, SampleDecision(2).input);
  EXPECT_EQ(Must(book.Find(ByteView(digest).first(4))).input, SampleDecision(2).input);
  EXPECT_EQ(NameOf(ByteView(digest).first(3)), "digest-too-short");
  EXPECT_EQ(NameOf(SampleDecision(4).input_digest), "decision-not-found");
}

TEST_F(DecisionBookTest, ShowsWhatItCannotRead) {
  auto record = SampleDecision(1);
  record.outcome = "\xff\xff";
  const v1::Decision decision = issuer::DecisionOf(record);
  EXPECT_EQ(decision.node(), record.node);
  EXPECT_EQ(decision.rule(), "");
}

}  // namespace
}  // namespace lodekey::test
