// What every store promises of policies.
#include "issuer/store_limits.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::At;
using test::Must;

// Unsigned, with content that only it has.
PolicyRecord Sample(uint64_t version) {
  return {.version = version,
          .digest = Bytes(32, static_cast<uint8_t>(version)),
          .content = "bundle " + std::to_string(version),
          .applied = At(static_cast<int64_t>(version)),
          .applied_by = "uid 0"};
}

PolicyRecord Signed(uint64_t version, uint64_t signed_version) {
  PolicyRecord record = Sample(version);
  record.signed_version = signed_version;
  record.signer = Bytes(32, 7);
  record.signature = Bytes(64, 8);
  return record;
}

class StorePoliciesTest : public StoreTest {
 protected:
  Result<crypto::ChainHead> PutPolicy(const PolicyRecord& record) {
    return Commit([&](Transaction& transaction) { return transaction.PutPolicy(record); });
  }
  void ExpectPutFails(const PolicyRecord& record, Code code, std::string_view name) {
    ExpectFails([&](Transaction& transaction) { return transaction.PutPolicy(record); }, code,
                name);
  }
  std::optional<PolicyRecord> Current() {
    return Read<std::optional<PolicyRecord>>([](View& view) { return view.CurrentPolicy(); });
  }
  std::optional<PolicyRecord> FindPolicy(uint64_t version) {
    return Read<std::optional<PolicyRecord>>([&](View& view) { return view.FindPolicy(version); });
  }
  std::vector<PolicyRecord> List(size_t limit) {
    return Read<std::vector<PolicyRecord>>([&](View& view) { return view.ListPolicies(limit); });
  }
};

TEST_P(StorePoliciesTest, HasNoneAtFirst) {
  EXPECT_EQ(Current(), std::nullopt);
  EXPECT_EQ(FindPolicy(0), std::nullopt);
  EXPECT_EQ(FindPolicy(1), std::nullopt);
  EXPECT_TRUE(List(10).empty());
}

TEST_P(StorePoliciesTest, GivesBackWhatWasStored) {
  Must(PutPolicy(Sample(1)));
  PolicyRecord full = Signed(2, 40);
  full.note = "as after the M\xc3\xbcller incident";
  full.rolled_back_to = 1;
  full.allows_all = true;
  full.content = std::string("\0\xff", 2) + std::string(kMaxPolicyContent - 2, 'x');
  Must(PutPolicy(full));
  EXPECT_EQ(Current(), full);
  EXPECT_EQ(FindPolicy(1), Sample(1));
  EXPECT_EQ(FindPolicy(2), full);
  EXPECT_EQ(FindPolicy(3), std::nullopt);
}

// Whoever asked the one before has to ask again: nothing that it allowed or denied is stored.
TEST_P(StorePoliciesTest, TakesDecisionsOfTheLastOneAlone) {
  DecisionRecord decision = test::SampleDecision(1);
  const auto put = [&](Transaction& transaction) { return transaction.PutDecision(decision); };
  Must(Commit(put));
  Must(PutPolicy(Sample(1)));
  ExpectFails(put, Code::kConflict, "policy-changed");
  decision.policy_version = 1;
  Must(Commit(put));
  const auto change = [&](Transaction& transaction) -> Result<void> {
    Must(transaction.PutPolicy(Sample(2)));
    return put(transaction);
  };
  ExpectFails(change, Code::kConflict, "policy-changed");
  decision.policy_version = 2;
  ExpectFails(put, Code::kConflict, "policy-changed");
  Must(Commit(change));
  const auto stored =
      Read<std::vector<DecisionRecord>>([](View& view) { return view.ListDecisions({}, 100); });
  ASSERT_EQ(stored.size(), 3U);
  EXPECT_EQ(stored[1].policy_version, 1U);
}

TEST_P(StorePoliciesTest, ListsTheNewestFirstWithoutTheirContent) {
  for (const uint64_t version : {1U, 2U, 3U}) Must(PutPolicy(Sample(version)));
  PolicyRecord second = Sample(2);
  PolicyRecord third = Sample(3);
  second.content.clear();
  third.content.clear();
  EXPECT_EQ(List(2), (std::vector{third, second}));
  EXPECT_EQ(List(10).size(), 3U);
}

TEST_P(StorePoliciesTest, TakesTheSuccessorAlone) {
  ExpectPutFails(Sample(2), Code::kConflict, "policy-changed");
  Must(PutPolicy(Sample(1)));
  for (const uint64_t version : {1U, 3U})
    ExpectPutFails(Sample(version), Code::kConflict, "policy-changed");
  EXPECT_EQ(List(10).size(), 1U);
}

// The second of two that were made from the same one.
TEST_P(StorePoliciesTest, TakesOneOfTwoThatAreAppliedAtOnce) {
  const Change apply = [](Transaction& transaction) { return transaction.PutPolicy(Sample(1)); };
  const auto outcomes = CommitTogether({apply, apply});
  EXPECT_TRUE(outcomes[0]);
  ASSERT_FALSE(outcomes[1]);
  EXPECT_EQ(outcomes[1].error().Name(), "policy-changed");
}

TEST_P(StorePoliciesTest, TakesNoSignatureOlderThanAnyBefore) {
  Must(PutPolicy(Signed(1, 5)));
  Must(PutPolicy(Signed(2, 9)));
  Must(PutPolicy(Sample(3)));
  ExpectPutFails(Signed(4, 8), Code::kConflict, "policy-changed");
  Must(PutPolicy(Signed(4, 9)));
}

TEST_P(StorePoliciesTest, RefusesPoliciesBeyondTheLimits) {
  for (const std::function<void(PolicyRecord&)>& change :
       std::vector<std::function<void(PolicyRecord&)>>{
           [](PolicyRecord& record) { record.version = 0; },
           [](PolicyRecord& record) { record.digest.pop_back(); },
           [](PolicyRecord& record) { record.content.clear(); },
           [](PolicyRecord& record) { record.content.assign(kMaxPolicyContent + 1, 'x'); },
           [](PolicyRecord& record) { record.applied = At(0) - std::chrono::years(100); },
           [](PolicyRecord& record) { record.applied_by.assign(kMaxApprover + 1, 'x'); },
           [](PolicyRecord& record) { record.note.assign(kMaxPolicyNote + 1, 'x'); },
           [](PolicyRecord& record) { record.rolled_back_to = 1; },
           [](PolicyRecord& record) { record.signer = Bytes(32, 7); },
           [](PolicyRecord& record) { record.signed_version = 1; },
           [](PolicyRecord& record) {
             record = Signed(1, 1);
             record.signature.pop_back();
           }}) {
    PolicyRecord record = Sample(1);
    change(record);
    ExpectPutFails(record, Code::kInvalidArgument, "record-invalid");
  }
  EXPECT_EQ(Current(), std::nullopt);
}

TEST_P(StorePoliciesTest, TakesBackWhatAFailedChangeDid) {
  ExpectFails(
      [](Transaction& transaction) -> Result<void> {
        Must(transaction.PutPolicy(Sample(1)));
        EXPECT_EQ(Must(transaction.CurrentPolicy()), Sample(1));
        return Fail(Code::kDenied, "no");
      },
      Code::kDenied, "denied");
  EXPECT_EQ(Current(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Stores, StorePoliciesTest, ::testing::ValuesIn(Stores()), StoreName);

}  // namespace
}  // namespace lodekey::issuer
