#include "attest/ledger.h"

#include <gtest/gtest.h>

#include "base/writer.h"
#include "tests/support/must.h"
#include "tpm/pcr.h"

namespace lodekey::attest {
namespace {

using crypto::HashAlg;
using test::Must;

tpm::Name AkName() { return std::move(Writer().U16Be(0x000b).Raw(Bytes(32, 0x11))).Finish(); }

LedgerRecord Record(uint64_t number) {
  return {.number = number,
          .pcr = 12,
          .digests = ClaimDigests(AkName(), {HashAlg::kSha1, HashAlg::kSha256}),
          .claim = {.ak_name = AkName()}};
}

// Whether it parses, and if not, under which name it is refused.
std::string FailureOf(ByteView bytes) {
  const auto ledger = ParseLedger(bytes);
  return ledger ? "none" : std::string(ledger.error().Name());
}

std::string FailureOf(const Ledger& ledger) { return FailureOf(EncodeLedger(ledger)); }

TEST(Claim, HasTheDigestsOfItsLabelAndName) {
  const auto digests = ClaimDigests(AkName(), {HashAlg::kSha1, HashAlg::kSha256});
  ASSERT_EQ(digests.size(), 2U);
  EXPECT_EQ(ToHex(digests[0].digest), "5785c5dbec9a1335a26247e812a55305fc2a6a71");
  EXPECT_EQ(ToHex(digests[1].digest),
            "8d493db378a9e3bd53c04961df3214857e05f6f4c829832b526e18a675efcfa9");
}

TEST(Ledger, SurvivesEncoding) {
  Ledger ledger = {Record(0), Record(1)};
  ledger[0].claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 7)}});
  EXPECT_EQ(Must(ParseLedger(EncodeLedger(ledger))), ledger);
}

TEST(Ledger, IsWrittenAsTypeLengthValue) {
  const LedgerRecord record{.number = 0,
                            .pcr = 12,
                            .digests = {{HashAlg::kSha1, Bytes(20, 0xdd)}},
                            .claim = {.ak_name = {0xaa}, .first_look = {}}};
  const Bytes expected = std::move(Writer()
                                       .U8(0)
                                       .U32Be(8)
                                       .U64Be(0)  // record number
                                       .U8(1)
                                       .U32Be(1)
                                       .U8(12)  // PCR
                                       .U8(3)
                                       .U32Be(25)  // digests
                                       .U8(0x04)
                                       .U32Be(20)
                                       .Raw(Bytes(20, 0xdd))  // TPM_ALG_SHA1
                                       .U8(0xc0)
                                       .U32Be(11)  // claim
                                       .U8(0)
                                       .U32Be(1)
                                       .U8(0xaa)  // AK name
                                       .U8(1)
                                       .U32Be(0))  // first look
                             .Finish();
  EXPECT_EQ(ToHex(EncodeLedger({record})), ToHex(expected));
}

TEST(Ledger, MayBeEmpty) { EXPECT_TRUE(Must(ParseLedger({})).empty()); }

TEST(Ledger, IsRefusedWhenItEndsEarly) {
  const Bytes whole = EncodeLedger({Record(0)});
  for (size_t size = 1; size < whole.size(); ++size) {
    ASSERT_EQ(FailureOf(ByteView(whole).first(size)), "ledger-malformed") << size;
  }
}

TEST(Ledger, IsRefusedWithBytesBehindIt) {
  Bytes bytes = EncodeLedger({Record(0)});
  bytes.push_back(0);
  EXPECT_EQ(FailureOf(bytes), "ledger-malformed");
}

TEST(Ledger, IsRefusedWhenRecordsAreNotNumberedFromZero) {
  EXPECT_EQ(FailureOf(Ledger{Record(1)}), "ledger-malformed");
  EXPECT_EQ(FailureOf(Ledger{Record(0), Record(0)}), "ledger-malformed");
  EXPECT_EQ(FailureOf(Ledger{Record(0), Record(2)}), "ledger-malformed");
  EXPECT_EQ(FailureOf(Ledger{Record(0), Record(uint64_t{1} << 32)}), "ledger-malformed");
}

TEST(Ledger, IsRefusedWhenRecordsNameDifferentRegisters) {
  Ledger ledger = {Record(0), Record(1)};
  ledger[1].pcr = 13;
  EXPECT_EQ(FailureOf(ledger), "ledger-malformed");
}

TEST(Ledger, IsRefusedWithWrongDigests) {
  LedgerRecord none = Record(0);
  none.digests.clear();
  EXPECT_EQ(FailureOf(Ledger{none}), "ledger-malformed");
  LedgerRecord twice = Record(0);
  twice.digests.push_back(twice.digests.back());
  EXPECT_EQ(FailureOf(Ledger{twice}), "ledger-malformed");
  LedgerRecord shorter = Record(0);
  shorter.digests[1].digest.pop_back();
  EXPECT_EQ(FailureOf(Ledger{shorter}), "ledger-malformed");
  LedgerRecord longer = Record(0);
  longer.digests[0].digest.push_back(0);
  EXPECT_EQ(FailureOf(Ledger{longer}), "ledger-malformed");
}

TEST(Ledger, IsRefusedWithAnAkNameOfNoSuchSize) {
  LedgerRecord record = Record(0);
  record.claim.ak_name.clear();
  EXPECT_EQ(FailureOf(Ledger{record}), "ledger-malformed");
  record.claim.ak_name = Bytes(67, 1);
  EXPECT_EQ(FailureOf(Ledger{record}), "ledger-malformed");
  record.claim.ak_name = Bytes(66, 1);
  EXPECT_EQ(FailureOf(Ledger{record}), "none");
}

TEST(Ledger, IsRefusedWithUnknownTypes) {
  const Bytes whole = EncodeLedger({Record(0)});
  // Offsets of the types of a record's four parts, and of its first digest.
  constexpr size_t kNumber = 0, kPcr = 13, kDigests = 19, kFirstDigest = 24;
  const size_t claim = whole.size() - (5 + 5 + 34 + 5);
  for (const size_t offset : {kNumber, kPcr, kDigests, kFirstDigest, claim}) {
    Bytes bytes = whole;
    bytes.at(offset) = 0x77;
    EXPECT_EQ(FailureOf(bytes), "ledger-malformed") << offset;
  }
}

TEST(Ledger, IsRefusedWithNumbersOfAnotherWidth) {
  const auto record = [](ByteView number, ByteView pcr) {
    const Bytes rest = EncodeLedger({Record(0)});
    return std::move(
               Writer().U8(0).Sized32(number).U8(1).Sized32(pcr).Raw(ByteView(rest).subspan(19)))
        .Finish();
  };
  ASSERT_EQ(FailureOf(record(Bytes(8, 0), Bytes{12})), "none");
  EXPECT_EQ(FailureOf(record(Bytes(4, 0), Bytes{12})), "ledger-malformed");
  EXPECT_EQ(FailureOf(record(Bytes(9, 0), Bytes{12})), "ledger-malformed");
  EXPECT_EQ(FailureOf(record(Bytes(8, 0), Bytes{0, 12})), "ledger-malformed");
  EXPECT_EQ(FailureOf(record(Bytes(8, 0), {})), "ledger-malformed");
}

TEST(Ledger, IsRefusedWhenALengthIsBeyondItsEnd) {
  Bytes bytes = EncodeLedger({Record(0)});
  for (size_t i = 1; i <= 4; ++i) bytes.at(i) = 0xff;
  EXPECT_EQ(FailureOf(bytes), "ledger-malformed");
}

TEST(Ledger, IsRefusedWithBytesBehindTheClaim) {
  Bytes bytes = EncodeLedger({Record(0)});
  // The claim's content is the last 44 bytes, its length the four before them.
  bytes.at(bytes.size() - 45) += 1;
  bytes.push_back(0);
  EXPECT_EQ(FailureOf(bytes), "ledger-malformed");
}

TEST(Ledger, IsBounded) {
  Ledger ledger;
  while (EncodeLedger(ledger).size() <= kMaxLedgerSize) ledger.push_back(Record(ledger.size()));
  EXPECT_EQ(FailureOf(ledger), "ledger-malformed");
  ledger.pop_back();
  EXPECT_EQ(FailureOf(ledger), "none");
}

TEST(Replay, ExtendsTheInitialValueInOrder) {
  const Ledger ledger = {Record(0), Record(1)};
  for (size_t bank = 0; bank < 2; ++bank) {
    const HashAlg alg = ledger[0].digests[bank].bank;
    Bytes value(crypto::DigestSize(alg), 0);
    value = tpm::ExtendPcr(alg, value, ledger[0].digests[bank].digest);
    value = tpm::ExtendPcr(alg, value, ledger[1].digests[bank].digest);
    EXPECT_EQ(Must(ReplayLedger(ledger, alg)), value);
  }
}

TEST(Replay, StartsFromTheFirstLook) {
  Ledger ledger = {Record(0)};
  ledger[0].claim.first_look =
      EncodeFirstLook({{HashAlg::kSha1, Bytes(20, 5)}, {HashAlg::kSha256, Bytes(32, 7)}});
  EXPECT_EQ(Must(ReplayLedger(ledger, HashAlg::kSha256)),
            tpm::ExtendPcr(HashAlg::kSha256, Bytes(32, 7), ledger[0].digests[1].digest));
}

TEST(Replay, FailsForABankThatWasNotRecorded) {
  const auto replayed = ReplayLedger({Record(0)}, HashAlg::kSha384);
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().Name(), "ledger-malformed");
}

TEST(Replay, FailsWhenTheFirstLookLacksTheBank) {
  Ledger ledger = {Record(0)};
  ledger[0].claim.first_look = EncodeFirstLook({{HashAlg::kSha1, Bytes(20, 5)}});
  const auto replayed = ReplayLedger(ledger, HashAlg::kSha256);
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().Name(), "ledger-malformed");
}

TEST(FirstLook, IsZerosWhenNothingWasRecorded) {
  EXPECT_EQ(Must(ReadFirstLook({}, HashAlg::kSha384)), Bytes(48, 0));
}

TEST(FirstLook, IsRefusedWhenItIsNoListOfDigests) {
  EXPECT_FALSE(ReadFirstLook(Bytes(3, 0), HashAlg::kSha256));
  EXPECT_FALSE(ReadFirstLook(Bytes(37, 0xff), HashAlg::kSha256));
}

}  // namespace
}  // namespace lodekey::attest
