// What every store promises of credentials and of the audit chain.
#include "issuer/store_limits.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::Issue;
using test::Must;
using test::SampleCredential;
using test::SampleNode;
using test::SampleNodeId;
using test::WorkloadCredential;

// Credentials.

TEST_P(StoreTest, HasIssuedACredentialWhenItsChangeIsDone) {
  Must(Put(SampleNode(1)));
  CredentialState within = CredentialState::kVoid;
  CredentialRecord wanted = SampleCredential(1);
  const auto head = Must(Commit([&](Transaction& transaction) -> Result<void> {
    wanted.audit_seq = transaction.Audit(test::IssuedRecord(wanted));
    Must(transaction.PutCredential(wanted));
    within = Must(transaction.FindCredential(wanted.serial))->state;
    return {};
  }));
  EXPECT_EQ(within, CredentialState::kPending);
  const auto credential = FindCredential(1).value();
  EXPECT_EQ(credential.state, CredentialState::kIssued);
  EXPECT_EQ(credential.audit_seq, head.seq);
  EXPECT_EQ(credential.node, wanted.node);
  EXPECT_EQ(credential.spiffe_id, wanted.spiffe_id);
  EXPECT_EQ(credential.not_before, wanted.not_before);
  EXPECT_EQ(credential.not_after, wanted.not_after);
  EXPECT_EQ(credential.tbs_digest, wanted.tbs_digest);
  EXPECT_EQ(credential.evidence_time, wanted.evidence_time);
}

TEST_P(StoreTest, KeepsWhatACredentialIsAndWhichEntryItRestsOn) {
  Must(Put(SampleNode(1)));
  CredentialRecord token = WorkloadCredential(3);
  token.kind = CredentialKind::kJwt;
  for (const CredentialRecord& credential : {SampleCredential(1), WorkloadCredential(2), token})
    Must(Commit(Issue(credential)));
  EXPECT_EQ(FindCredential(1)->kind, CredentialKind::kNode);
  EXPECT_EQ(FindCredential(1)->entry, "");
  EXPECT_EQ(FindCredential(2)->kind, CredentialKind::kX509);
  EXPECT_EQ(FindCredential(2)->entry, test::SampleEntryId(1));
  EXPECT_EQ(FindCredential(3)->kind, CredentialKind::kJwt);
}

TEST_P(StoreTest, TakesTheNextRecordWhenACredentialComesBeforeIt) {
  Must(Put(SampleNode(1)));
  const auto head = Must(Commit([](Transaction& transaction) -> Result<void> {
    Must(transaction.PutCredential(SampleCredential(1)));
    transaction.Audit(test::IssuedRecord(SampleCredential(1)));
    transaction.Audit(R"({"event":"other"})");
    return {};
  }));
  EXPECT_EQ(FindCredential(1)->audit_seq, head.seq - 1);
}

TEST_P(StoreTest, RefusesACredentialWithoutAnAuditRecord) {
  Must(Put(SampleNode(1)));
  ExpectFails(
      [](Transaction& transaction) { return transaction.PutCredential(SampleCredential(1)); },
      Code::kInternal, "credential-unaudited");
  EXPECT_FALSE(FindCredential(1));
}

TEST_P(StoreTest, DoesNotLendACredentialTheRecordOfAnotherChange) {
  Must(Put(SampleNode(1)));
  const auto outcomes = CommitTogether({
      Issue(SampleCredential(1)),
      [](Transaction& transaction) { return transaction.PutCredential(SampleCredential(2)); },
      Issue(SampleCredential(3)),
  });
  EXPECT_TRUE(outcomes[0]);
  EXPECT_FALSE(outcomes[1]);
  EXPECT_TRUE(outcomes[2]);
  EXPECT_FALSE(FindCredential(2));
}

TEST_P(StoreTest, RefusesASerialThatExists) {
  Must(Put(SampleNode(1)));
  Must(Commit(Issue(SampleCredential(1))));
  ExpectFails(Issue(SampleCredential(1)), Code::kConflict, "serial-taken");
  EXPECT_EQ(Lines().size(), 1U);
}

TEST_P(StoreTest, RefusesACredentialOfANodeThatIsNotStored) {
  ExpectFails(Issue(SampleCredential(1)), Code::kNotFound, "node-unknown");
  EXPECT_TRUE(Lines().empty());
}

TEST_P(StoreTest, RefusesACredentialBeyondTheLimits) {
  Must(Put(SampleNode(1)));
  CredentialRecord no_serial = SampleCredential(1);
  no_serial.serial.clear();
  CredentialRecord no_digest = SampleCredential(1);
  no_digest.tbs_digest.pop_back();
  CredentialRecord never = SampleCredential(1);
  never.not_after = Time(Duration(-1));
  CredentialRecord restless = WorkloadCredential(1);
  restless.entry.clear();
  CredentialRecord of_node = SampleCredential(1);
  of_node.entry = test::SampleEntryId(1);
  CredentialRecord long_entry = WorkloadCredential(1);
  long_entry.entry.assign(65, 'e');
  for (const CredentialRecord& credential :
       {no_serial, no_digest, never, restless, of_node, long_entry}) {
    ExpectFails(Issue(credential), Code::kInvalidArgument, "record-invalid");
  }
}

TEST_P(StoreTest, ListsTheNewestCredentialsOfANodeFirst) {
  Must(Put(SampleNode(1)));
  Must(Put(SampleNode(2)));
  for (unsigned i = 1; i <= 3; ++i) Must(Commit(Issue(SampleCredential(i))));
  CredentialRecord other = SampleCredential(4);
  other.node = SampleNodeId(2);
  Must(Commit(Issue(other)));
  const auto list = [&](unsigned node, size_t limit) {
    return Read<std::vector<CredentialRecord>>(
        [&](View& view) { return view.ListCredentials(SampleNodeId(node), limit); });
  };
  ASSERT_EQ(list(1, 2).size(), 2U);
  EXPECT_EQ(list(1, 2)[0].serial, SampleCredential(3).serial);
  EXPECT_EQ(list(1, 2)[1].serial, SampleCredential(2).serial);
  EXPECT_EQ(list(1, 100).size(), 3U);
  EXPECT_EQ(list(2, 100).size(), 1U);
  EXPECT_TRUE(list(3, 100).empty());
}

// The audit chain.

TEST_P(StoreTest, WritesTheRecordsOfAChangeInOrder) {
  const auto head = Must(Commit([](Transaction& transaction) -> Result<void> {
    EXPECT_EQ(transaction.Audit(R"({"n":1})"), 1U);
    EXPECT_EQ(transaction.Audit(R"({"n":2})"), 2U);
    EXPECT_EQ(Must(transaction.AuditHead()).seq, 0U);
    return {};
  }));
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].record, R"({"n":1})");
  EXPECT_EQ(lines[1].record, R"({"n":2})");
  EXPECT_EQ(lines[1].head, head);
  EXPECT_EQ(Read<crypto::ChainHead>([](View& view) { return view.AuditHead(); }), head);
}

TEST_P(StoreTest, WritesNoRecordOfAChangeThatFailed) {
  ExpectFails(
      [](Transaction& transaction) -> Result<void> {
        transaction.Audit(R"({"n":1})");
        return Fail(Code::kDenied, "no");
      },
      Code::kDenied, "denied");
  EXPECT_TRUE(Lines().empty());
  EXPECT_EQ(Must(Commit([](Transaction& transaction) -> Result<void> {
              EXPECT_EQ(transaction.Audit(R"({"n":2})"), 1U);
              return {};
            })).seq,
            1U);
}

TEST_P(StoreTest, RefusesAuditRecordsThatAreNoJsonObjectOnOneLine) {
  const std::string too_long = "{" + std::string(kMaxAuditRecord, ' ') + "}";
  for (const std::string& record : {std::string(), std::string("[]"), std::string("{\n}"),
                                    std::string("{\r}"), std::string("{"), too_long}) {
    ExpectFails(
        [&](Transaction& transaction) -> Result<void> {
          Must(transaction.PutNode(SampleNode(1)));
          transaction.Audit(record);
          return {};
        },
        Code::kInvalidArgument, "record-invalid");
  }
  EXPECT_EQ(Find(SampleNodeId(1)), std::nullopt);
}

TEST_P(StoreTest, WritesTheLongestRecord) {
  const std::string longest = "{" + std::string(kMaxAuditRecord - 2, ' ') + "}";
  Must(Commit([&](Transaction& transaction) -> Result<void> {
    transaction.Audit(longest);
    return {};
  }));
  ASSERT_EQ(Lines().size(), 1U);
  EXPECT_EQ(Lines()[0].record, longest);
}

}  // namespace
}  // namespace lodekey::issuer
