// What every store forgets, and what it keeps.
#include "crypto/digest.h"
#include "issuer/store_limits.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::At;
using test::FullNode;
using test::Issue;
using test::Must;
using test::SampleCredential;
using test::SampleNode;
using test::SampleNodeId;
using test::WorkloadCredential;

const Retention kRetention;

class StoreExpiryTest : public StoreTest {
 protected:
  size_t Expire(Time now, const Retention& retention = kRetention) {
    size_t forgotten = 0;
    Must(Commit([&](Transaction& transaction) -> Result<void> {
      forgotten = Must(transaction.Expire(now, retention));
      return {};
    }));
    return forgotten;
  }

  // A log of one byte, brought at `now`; its digest.
  Bytes PutLog(uint8_t content, Time now) {
    const Bytes digest = ToBytes(crypto::Sha256(Bytes{content}));
    Must(Commit(
        [&](Transaction& transaction) { return transaction.PutLog(digest, Bytes{content}, now); }));
    return digest;
  }
  bool Has(const Bytes& digest) {
    return Read<bool>([&](View& view) { return view.HasLog(digest); });
  }

  // An enrolled node that names a log, stored anew or again.
  void PutNaming(unsigned number, const Bytes& digest, Time now,
                 Standing standing = Standing::kActive) {
    NodeRecord node = Find(SampleNodeId(number)).value_or(FullNode(number));
    node.enrolment->boot_log_digest = digest;
    node.standing = standing;
    node.updated = now;
    Must(Put(node));
  }

  void PutDecisions(unsigned first, unsigned last) {
    Must(Commit([&](Transaction& transaction) -> Result<void> {
      for (unsigned number = first; number <= last; ++number)
        Must(transaction.PutDecision(test::SampleDecision(number)));
      return {};
    }));
  }
  std::vector<uint64_t> Decisions() {
    std::vector<uint64_t> numbers;
    for (const DecisionRecord& record :
         Read<std::vector<DecisionRecord>>([](View& view) { return view.ListDecisions({}, 1000); }))
      numbers.push_back(record.seq);
    return numbers;
  }

  // A host that waits for approval, seen anew or again.
  void PutPending(unsigned number, Time seen) {
    NodeRecord node = Find(SampleNodeId(number)).value_or(SampleNode(number));
    node.standing = Standing::kPending;
    node.last_seen = seen;
    Must(Put(node));
  }

  Result<crypto::ChainHead> AppendIma(unsigned number, uint64_t offset) {
    return Commit([=](Transaction& transaction) {
      return transaction.AppendIma(SampleNodeId(number), offset, Bytes(5, 7));
    });
  }
};

// Credentials.

TEST_P(StoreExpiryTest, ForgetsCredentialsAWhileAfterTheirEnd) {
  Must(Put(SampleNode(1)));
  for (unsigned i = 1; i <= 3; ++i) Must(Commit(Issue(SampleCredential(i))));
  const Time end = SampleCredential(1).not_after;
  EXPECT_EQ(Expire(end + kCredentialMargin), 0U);
  EXPECT_TRUE(FindCredential(1));
  EXPECT_EQ(Expire(end + kCredentialMargin + Duration(1)), 2U);
  EXPECT_FALSE(FindCredential(1));
  EXPECT_FALSE(FindCredential(2));
  EXPECT_EQ(Expire(end + kCredentialMargin + Duration(1)), 0U);
}

TEST_P(StoreExpiryTest, KeepsTheLastCredentialOfEachNode) {
  Must(Put(SampleNode(1)));
  Must(Put(SampleNode(2)));
  CredentialRecord other = SampleCredential(3);
  other.node = SampleNodeId(2);
  for (const CredentialRecord& credential : {SampleCredential(1), SampleCredential(2), other})
    Must(Commit(Issue(credential)));
  EXPECT_EQ(Expire(At(0) + std::chrono::hours(24 * 365)), 1U);
  EXPECT_FALSE(FindCredential(1));
  EXPECT_TRUE(FindCredential(2));
  EXPECT_TRUE(FindCredential(3));
}

TEST_P(StoreExpiryTest, KeepsACredentialThatStillHolds) {
  Must(Put(SampleNode(1)));
  CredentialRecord lasting = SampleCredential(1);
  lasting.not_after = At(0) + std::chrono::hours(24 * 365);
  Must(Commit(Issue(lasting)));
  Must(Commit(Issue(SampleCredential(2))));
  EXPECT_EQ(Expire(lasting.not_after), 0U);
  EXPECT_TRUE(FindCredential(1));
}

// What proves a node is its own; workloads are given new ones without being asked for the old.
TEST_P(StoreExpiryTest, KeepsNoCredentialOfAWorkloadInThePlaceOfTheNodes) {
  Must(Put(SampleNode(1)));
  Must(Commit(Issue(SampleCredential(1))));
  CredentialRecord token = WorkloadCredential(3);
  token.kind = CredentialKind::kJwt;
  for (const CredentialRecord& credential : {WorkloadCredential(2), token})
    Must(Commit(Issue(credential)));
  const Time end = SampleCredential(1).not_after;
  EXPECT_EQ(Expire(end + kCredentialMargin), 0U);
  EXPECT_EQ(Expire(end + kCredentialMargin + Duration(1)), 2U);
  EXPECT_TRUE(FindCredential(1));
  EXPECT_FALSE(FindCredential(2));
  EXPECT_FALSE(FindCredential(3));
}

TEST_P(StoreExpiryTest, LeavesTheAuditLogAsItIs) {
  Must(Put(SampleNode(1)));
  for (unsigned i = 1; i <= 3; ++i) Must(Commit(Issue(SampleCredential(i))));
  EXPECT_EQ(Expire(At(0) + std::chrono::hours(24 * 365)), 2U);
  EXPECT_EQ(Lines().size(), 3U);
}

// Logs.

TEST_P(StoreExpiryTest, ForgetsALogThatNobodyNames) {
  const Bytes log = PutLog(1, At(0));
  EXPECT_EQ(Expire(At(0) + kRetention.evidence), 0U);
  EXPECT_TRUE(Has(log));
  EXPECT_EQ(Expire(At(1) + kRetention.evidence), 1U);
  EXPECT_FALSE(Has(log));
}

TEST_P(StoreExpiryTest, KeepsALogThatANodeNamesHoweverOldItIs) {
  const Bytes log = PutLog(1, At(0));
  PutNaming(1, log, At(0));
  for (int months = 1; months <= 3; ++months)
    EXPECT_EQ(Expire(At(1) + months * kRetention.evidence), 0U) << months;
  EXPECT_TRUE(Has(log));
}

TEST_P(StoreExpiryTest, CountsFromWhenTheLastNodeThatNamedALogWasRemoved) {
  const Bytes log = PutLog(1, At(0));
  PutNaming(1, log, At(0));
  PutNaming(2, log, At(0));
  const Time first = At(0) + 2 * kRetention.evidence;
  const Time second = first + 2 * kRetention.evidence;
  PutNaming(1, log, first, Standing::kRemoved);
  EXPECT_EQ(Expire(second), 0U);
  PutNaming(2, log, second, Standing::kRemoved);
  EXPECT_EQ(Expire(second + kRetention.evidence), 0U);
  EXPECT_TRUE(Has(log));
  EXPECT_EQ(Expire(second + kRetention.evidence + Duration(1)), 1U);
  EXPECT_FALSE(Has(log));
}

// However often a host boots, and whether or not it brings a log each time.
TEST_P(StoreExpiryTest, KeepsOneLogOfANode) {
  Bytes before = PutLog(0, At(0));
  PutNaming(1, before, At(0));
  for (uint8_t boot = 1; boot <= 3; ++boot) {
    const Bytes log = PutLog(boot, At(boot));
    PutNaming(1, log, At(boot));
    EXPECT_FALSE(Has(before)) << boot;
    EXPECT_TRUE(Has(log)) << boot;
    before = log;
  }
  PutNaming(1, {}, At(4));
  EXPECT_FALSE(Has(before));
}

TEST_P(StoreExpiryTest, LeavesALogToTheNodeThatStillNamesIt) {
  const Bytes log = PutLog(1, At(0));
  PutNaming(1, log, At(0));
  PutNaming(2, log, At(0));
  PutNaming(1, PutLog(2, At(1)), At(1));
  EXPECT_TRUE(Has(log));
  PutNaming(2, {}, At(2));
  EXPECT_FALSE(Has(log));
}

TEST_P(StoreExpiryTest, ForgetsNoLogForAChangeThatFails) {
  const Bytes log = PutLog(1, At(0));
  PutNaming(1, log, At(0));
  NodeRecord stale = *Find(SampleNodeId(1));
  PutNaming(1, log, At(1));
  stale.enrolment->boot_log_digest = {};
  EXPECT_EQ(Put(stale).error().Name(), "node-changed");
  EXPECT_TRUE(Has(log));
}

TEST_P(StoreExpiryTest, KeepsALogThatIsNamedAgain) {
  const Bytes log = PutLog(1, At(0));
  PutNaming(1, log, At(0));
  PutNaming(1, log, At(1), Standing::kRemoved);
  PutNaming(1, log, At(2));
  EXPECT_EQ(Expire(At(3) + kRetention.evidence), 0U);
  EXPECT_TRUE(Has(log));
}

TEST_P(StoreExpiryTest, TakesARemovedNodesWordForNothing) {
  const Bytes log = PutLog(1, At(0));
  PutNaming(1, log, At(0));
  PutNaming(1, log, At(5), Standing::kRemoved);
  EXPECT_EQ(Expire(At(5) + kRetention.evidence), 0U);
  EXPECT_EQ(Expire(At(6) + kRetention.evidence), 1U);
  EXPECT_FALSE(Has(log));
}

// IMA lists.

TEST_P(StoreExpiryTest, ForgetsTheImaListsOfRemovedNodesAlone) {
  for (const unsigned number : {1U, 2U}) {
    Must(Put(FullNode(number)));
    Must(AppendIma(number, 0));
    Must(AppendIma(number, 5));
  }
  PutNaming(1, {}, At(1), Standing::kRemoved);
  EXPECT_EQ(Expire(At(2)), 2U);
  EXPECT_EQ(AppendIma(1, 10).error().Name(), "ima-offset") << "it would have to begin anew";
  Must(AppendIma(2, 10));
}

// Decisions.

TEST_P(StoreExpiryTest, ForgetsDecisionsWhenTheirTimeIsOver) {
  PutDecisions(1, 3);
  const Time end = At(2) + kRetention.decisions;
  EXPECT_EQ(Expire(end), 1U);
  EXPECT_EQ(Decisions(), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(Expire(end, {.decisions = std::chrono::hours(1)}), 2U);
  EXPECT_TRUE(Decisions().empty());
  PutDecisions(4, 4);
  EXPECT_EQ(Decisions(), std::vector<uint64_t>{4}) << "numbers are not given twice";
}

TEST_P(StoreExpiryTest, KeepsWhatAnActiveNodesStandingWasDecidedOnHoweverOld) {
  Must(Put(FullNode(1)));
  DecisionRecord standing = test::SampleDecision(1);
  standing.point = "standing";
  for (int i = 0; i < 2; ++i)
    Must(Commit([&](Transaction& transaction) { return transaction.PutDecision(standing); }));
  PutDecisions(3, 3);
  const Time end = At(4) + kRetention.decisions;
  EXPECT_EQ(Expire(end), 2U);
  EXPECT_EQ(Decisions(), std::vector<uint64_t>{2});
  NodeRecord node = *Find(SampleNodeId(1));
  node.standing = Standing::kRefused;
  Must(Put(node));
  EXPECT_EQ(Expire(end), 1U);
  EXPECT_TRUE(Decisions().empty());
}

// Hosts that wait for approval.

TEST_P(StoreExpiryTest, ForgetsAHostThatNobodyApproved) {
  PutPending(1, At(10));
  PutPending(2, At(20));
  const Time end = At(10) + kRetention.pending;
  EXPECT_EQ(Expire(end), 0U);
  EXPECT_EQ(Expire(end + Duration(1)), 1U);
  EXPECT_FALSE(Find(SampleNodeId(1)));
  EXPECT_FALSE(FindByEk(SampleNodeId(1)));
  EXPECT_TRUE(Find(SampleNodeId(2)));
  PutPending(1, At(30));
  EXPECT_EQ(Find(SampleNodeId(1))->revision, 1U) << "it may come back";
}

TEST_P(StoreExpiryTest, CountsFromWhenAHostWasLastSeen) {
  PutPending(1, At(10));
  PutPending(1, At(50));
  EXPECT_EQ(Expire(At(50) + kRetention.pending), 0U);
  EXPECT_EQ(Expire(At(51) + kRetention.pending), 1U);
}

TEST_P(StoreExpiryTest, KeepsANodeThatWaitsNoLonger) {
  for (const auto& [number, standing] :
       {std::pair(1U, Standing::kAllowed), std::pair(2U, Standing::kBarred)}) {
    PutPending(number, At(10));
    NodeRecord node = Find(SampleNodeId(number)).value();
    node.standing = standing;
    Must(Put(node));
  }
  EXPECT_EQ(Expire(At(10) + 3 * kRetention.pending), 0U);
  EXPECT_TRUE(Find(SampleNodeId(1)));
  EXPECT_TRUE(Find(SampleNodeId(2)));
}

// In parts.

TEST_P(StoreExpiryTest, ForgetsAPartAtATime) {
  for (uint8_t i = 0; i < 40; ++i) PutLog(i, At(0));
  size_t forgotten = 0;
  size_t parts = 0;
  while (const size_t part = Expire(At(1) + kRetention.evidence)) {
    EXPECT_LT(part, 40U);
    forgotten += part;
    ++parts;
  }
  EXPECT_EQ(forgotten, 40U);
  EXPECT_GE(parts, 2U);
}

TEST_P(StoreExpiryTest, ForgetsAPartOfTheDecisionsAtATime) {
  PutDecisions(1, 2500);
  const size_t part = Expire(At(2501) + kRetention.decisions);
  EXPECT_LT(part, 2500U);
  EXPECT_GT(part, 0U);
  while (Expire(At(2501) + kRetention.decisions) != 0) {
  }
  EXPECT_TRUE(Decisions().empty());
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreExpiryTest, ::testing::ValuesIn(Stores()), StoreName);

}  // namespace
}  // namespace lodekey::issuer
