// What every store promises of challenges, reference values and logs.
#include "crypto/digest.h"
#include "issuer/store_limits.h"
#include "tests/contract/store_rig.h"

namespace lodekey::issuer {
namespace {

using test::At;
using test::Must;
using test::SampleNode;
using test::SampleNodeId;

// Challenges.

TEST_P(StoreTest, LetsAChallengeBeUsedOnce) {
  const Bytes id(16, 1);
  const auto use = [&](Transaction& transaction) { return transaction.UseChallenge(id, At(1000)); };
  Must(Commit(use));
  ExpectFails(use, Code::kConflict, "challenge-used");
  Must(Commit(
      [](Transaction& transaction) { return transaction.UseChallenge(Bytes(16, 2), At(1000)); }));
}

TEST_P(StoreTest, LetsAChallengeBeUsedAgainWhenItsFirstUseFailed) {
  const Bytes id(16, 1);
  ExpectFails(
      [&](Transaction& transaction) -> Result<void> {
        Must(transaction.UseChallenge(id, At(1000)));
        return Fail(Code::kDenied, "no");
      },
      Code::kDenied, "denied");
  Must(Commit([&](Transaction& transaction) { return transaction.UseChallenge(id, At(1000)); }));
}

TEST_P(StoreTest, RefusesChallengesOfOddSizes) {
  for (const size_t size : {size_t{0}, kMaxChallengeId + 1}) {
    ExpectFails(
        [&](Transaction& transaction) { return transaction.UseChallenge(Bytes(size), At(1)); },
        Code::kInvalidArgument, "record-invalid");
  }
}

TEST_P(StoreTest, ForgetsChallengesWhoseTimeIsOver) {
  const auto use = [](uint8_t number, Time expires) {
    return [=](Transaction& transaction) {
      return transaction.UseChallenge(Bytes(16, number), expires);
    };
  };
  Must(Commit(use(1, At(10))));
  Must(Commit(use(2, At(10))));
  Must(Commit(use(3, At(30))));
  size_t forgotten = 0;
  Must(Commit([&](Transaction& transaction) -> Result<void> {
    forgotten = Must(transaction.Expire(At(20), {}));
    return {};
  }));
  EXPECT_EQ(forgotten, 2U);
  ExpectFails(use(3, At(30)), Code::kConflict, "challenge-used");
  Must(Commit(use(1, At(40))));
}

// Reference values.

ReferencePcr SampleReference(uint8_t pcr, uint8_t value) {
  return {.group = "edge",
          .pcr = pcr,
          .value = Bytes(32, value),
          .approved = At(5),
          .approved_by = "uid 0"};
}

Change PutReference(const ReferencePcr& reference) {
  return [reference](Transaction& transaction) { return transaction.PutReference(reference); };
}

TEST_P(StoreTest, KeepsSeveralReferenceValuesSideBySide) {
  Must(Commit(PutReference(SampleReference(7, 1))));
  Must(Commit(PutReference(SampleReference(7, 2))));
  ReferencePcr sha1 = SampleReference(7, 1);
  sha1.bank = crypto::HashAlg::kSha1;
  sha1.value.resize(20);
  Must(Commit(PutReference(sha1)));
  const auto references = References("edge");
  ASSERT_EQ(references.size(), 3U);
  EXPECT_EQ(references[0].bank, crypto::HashAlg::kSha1);
  EXPECT_EQ(references[1].value, Bytes(32, 1));
  EXPECT_EQ(references[2].value, Bytes(32, 2));
  EXPECT_EQ(references[2].pcr, 7);
  EXPECT_EQ(references[2].approved, At(5));
  EXPECT_EQ(references[2].approved_by, "uid 0");
  EXPECT_TRUE(References("default").empty());
}

TEST_P(StoreTest, ChangesNothingWhenAReferenceValueIsPutAgain) {
  Must(Commit(PutReference(SampleReference(7, 1))));
  ReferencePcr again = SampleReference(7, 1);
  again.approved_by = "uid 1";
  Must(Commit(PutReference(again)));
  ASSERT_EQ(References("edge").size(), 1U);
  EXPECT_EQ(References("edge")[0].approved_by, "uid 0");
}

TEST_P(StoreTest, DeletesOneReferenceValueAndNoOther) {
  Must(Commit(PutReference(SampleReference(7, 1))));
  Must(Commit(PutReference(SampleReference(7, 2))));
  const auto remove = [](Transaction& transaction) {
    return transaction.DeleteReference(SampleReference(7, 1));
  };
  Must(Commit(remove));
  Must(Commit(remove));
  ASSERT_EQ(References("edge").size(), 1U);
  EXPECT_EQ(References("edge")[0].value, Bytes(32, 2));
}

TEST_P(StoreTest, RefusesReferenceValuesThatNoRegisterCanHave) {
  ReferencePcr no_register = SampleReference(24, 1);
  ReferencePcr other_size = SampleReference(7, 1);
  other_size.value.pop_back();
  ReferencePcr no_group = SampleReference(7, 1);
  no_group.group.clear();
  for (const ReferencePcr& reference : {no_register, other_size, no_group}) {
    ExpectFails(PutReference(reference), Code::kInvalidArgument, "record-invalid");
  }
}

// Logs.

TEST_P(StoreTest, KeepsALogOnceWhoeverBringsIt) {
  const Bytes content(50000, 0x5c);
  const Bytes digest = crypto::Digest(crypto::HashAlg::kSha256, content);
  const auto put = [&](Transaction& transaction) {
    return transaction.PutLog(digest, content, At(1));
  };
  const auto has = [&] { return Read<bool>([&](View& view) { return view.HasLog(digest); }); };
  EXPECT_FALSE(has());
  Must(Commit(put));
  Must(Commit(put));
  EXPECT_TRUE(has());
  const auto find = [&](const Bytes& of) {
    return Read<std::optional<Bytes>>([&](View& view) { return view.FindLog(of); });
  };
  EXPECT_EQ(find(digest), content);
  EXPECT_EQ(find(Bytes(32)), std::nullopt);
}

TEST_P(StoreTest, RefusesALogUnderAnotherDigest) {
  ExpectFails(
      [](Transaction& transaction) { return transaction.PutLog(Bytes(32), Bytes(10), At(1)); },
      Code::kInvalidArgument, "record-invalid");
}

TEST_P(StoreTest, RefusesALogThatIsTooLargeAndKeepsTheLargest) {
  for (const size_t size : {kMaxLogBytes, kMaxLogBytes + 1}) {
    const Bytes content(size, 1);
    const auto outcome = Commit([&](Transaction& transaction) {
      return transaction.PutLog(crypto::Sha256(content), content, At(1));
    });
    EXPECT_EQ(outcome.has_value(), size == kMaxLogBytes);
  }
}

TEST_P(StoreTest, AppendsToAnImaListWhereItEnds) {
  Must(Put(SampleNode(1)));
  const auto append = [](uint64_t offset, size_t size) {
    return [=](Transaction& transaction) {
      return transaction.AppendIma(SampleNodeId(1), offset, Bytes(size, 7));
    };
  };
  Must(Commit(append(0, 100)));
  Must(Commit(append(100, 50)));
  for (const uint64_t offset : {1U, 100U, 149U, 151U}) {
    ExpectFails(append(offset, 1), Code::kConflict, "ima-offset");
  }
  Must(Commit(append(150, 1)));
  Must(Commit(append(0, 10)));  // another boot
  ExpectFails(append(151, 1), Code::kConflict, "ima-offset");
  Must(Commit(append(10, 1)));
  Must(Commit(append(0, 0)));
  ExpectFails(append(11, 1), Code::kConflict, "ima-offset");
}

TEST_P(StoreTest, KeepsTheImaListsOfNodesApart) {
  Must(Put(SampleNode(1)));
  Must(Put(SampleNode(2)));
  const auto append = [](unsigned node, uint64_t offset) {
    return [=](Transaction& transaction) {
      return transaction.AppendIma(SampleNodeId(node), offset, Bytes(5));
    };
  };
  Must(Commit(append(1, 0)));
  ExpectFails(append(2, 5), Code::kConflict, "ima-offset");
  Must(Commit(append(2, 0)));
  Must(Commit(append(1, 5)));
  ExpectFails(append(3, 0), Code::kNotFound, "node-unknown");
}

}  // namespace
}  // namespace lodekey::issuer
