#include "tpm/pcr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/tpm/capture.h"
#include "tpm/attestation.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using test::Must;
using test::ReadCapture;

PcrBank Bank(HashAlg alg, std::initializer_list<uint8_t> registers) {
  PcrBank bank{.alg = alg};
  for (const uint8_t pcr : registers) bank.values[pcr] = Bytes(crypto::DigestSize(alg), pcr);
  return bank;
}

TEST(PcrMask, WritesRangesAndReadsThemBack) {
  for (const char* text : {"0", "23", "0-23", "0-9,14", "1,3,5-7,23", "none"}) {
    EXPECT_EQ(FormatPcrMask(Must(ParsePcrMask(text))), text);
  }
  EXPECT_EQ(Must(ParsePcrMask("0-2,8")), 0x107U);
  EXPECT_EQ(Must(ParsePcrMask("0-23")), 0xffffffU);
}

TEST(PcrMask, JoinsOverlappingRanges) {
  EXPECT_EQ(FormatPcrMask(Must(ParsePcrMask("2-4,3,4-6"))), "2-6");
}

TEST(PcrMask, RefusesWhatIsNoListOfRegisters) {
  for (const char* text : {"", ",", "1,", ",1", "24", "0-24", "7-3", "-1", "1-", "a", "1 ", " 1",
                           "0x1", "1--2", "4294967296", "1;2", "1-2-3"}) {
    EXPECT_FALSE(ParsePcrMask(text)) << '"' << text << '"';
  }
}

TEST(PcrBank, NamesTheRegistersItHas) {
  EXPECT_EQ(Bank(HashAlg::kSha256, {0, 7, 14}).mask(), 0x4081U);
  EXPECT_EQ(PcrBank{}.mask(), 0U);
}

TEST(PcrDigest, CoversSelectedValuesAscendingInTheOrderOfBanks) {
  const std::vector<PcrBank> banks = {Bank(HashAlg::kSha1, {0, 1}), Bank(HashAlg::kSha256, {9, 2})};
  const PcrSelection selection = {{HashAlg::kSha256, 0x204}, {HashAlg::kSha1, 0x2}};
  const Bytes expected =
      crypto::Digest(HashAlg::kSha256, {Bytes(32, 2), Bytes(32, 9), Bytes(20, 1)});
  EXPECT_EQ(Must(ComputePcrDigest(selection, banks, HashAlg::kSha256)), expected);
}

TEST(PcrDigest, A25DiffersWhenTheOrderOfBanksIsSwapped) {
  const std::vector<PcrBank> banks = {Bank(HashAlg::kSha1, {1}), Bank(HashAlg::kSha256, {2})};
  const PcrSelection one = {{HashAlg::kSha1, 2}, {HashAlg::kSha256, 4}};
  const PcrSelection other = {{HashAlg::kSha256, 4}, {HashAlg::kSha1, 2}};
  EXPECT_NE(Must(ComputePcrDigest(one, banks, HashAlg::kSha256)),
            Must(ComputePcrDigest(other, banks, HashAlg::kSha256)));
}

TEST(PcrDigest, UsesTheHashOfTheSigningScheme) {
  const std::vector<PcrBank> banks = {Bank(HashAlg::kSha256, {0})};
  const PcrSelection selection = {{HashAlg::kSha256, 1}};
  EXPECT_EQ(Must(ComputePcrDigest(selection, banks, HashAlg::kSha384)),
            crypto::Digest(HashAlg::kSha384, Bytes(32, 0)));
}

TEST(PcrDigest, IgnoresValuesThatAreNotSelected) {
  const PcrSelection selection = {{HashAlg::kSha256, 1}};
  EXPECT_EQ(Must(ComputePcrDigest(selection, {Bank(HashAlg::kSha256, {0})}, HashAlg::kSha256)),
            Must(ComputePcrDigest(selection, {Bank(HashAlg::kSha256, {0, 5})}, HashAlg::kSha256)));
}

TEST(PcrDigest, RefusesASelectedRegisterWithoutValue) {
  const PcrSelection selection = {{HashAlg::kSha256, 3}};
  EXPECT_FALSE(ComputePcrDigest(selection, {Bank(HashAlg::kSha256, {0})}, HashAlg::kSha256));
  EXPECT_FALSE(ComputePcrDigest(selection, {Bank(HashAlg::kSha1, {0, 1})}, HashAlg::kSha256));
  EXPECT_FALSE(ComputePcrDigest(selection, {}, HashAlg::kSha256));
}

TEST(PcrDigest, RefusesAValueOfAnotherSizeThanTheBanks) {
  PcrBank bank = Bank(HashAlg::kSha256, {0, 1});
  bank.values[1].resize(20);
  EXPECT_FALSE(ComputePcrDigest({{HashAlg::kSha256, 3}}, {bank}, HashAlg::kSha256));
}

TEST(PcrDigest, RefusesABankThatIsGivenTwice) {
  const PcrBank bank = Bank(HashAlg::kSha256, {0});
  EXPECT_FALSE(ComputePcrDigest({{HashAlg::kSha256, 1}}, {bank, bank}, HashAlg::kSha256));
}

TEST(PcrExtend, HashesValueAndDigest) {
  const Bytes value(32, 0);
  const Bytes digest(32, 1);
  EXPECT_EQ(ExtendPcr(HashAlg::kSha256, value, digest),
            crypto::Digest(HashAlg::kSha256, {value, digest}));
  EXPECT_EQ(ExtendPcr(HashAlg::kSha1, Bytes(20), Bytes(20)).size(), 20U);
}

TEST(PcrSelection, TakesTheFormOfCommands) {
  const TPML_PCR_SELECTION list = ToTpml({{HashAlg::kSha256, 0x814201}, {HashAlg::kSha1, 1}});
  ASSERT_EQ(list.count, 2U);
  EXPECT_EQ(list.pcrSelections[0].hash, TPM2_ALG_SHA256);
  EXPECT_EQ(list.pcrSelections[0].sizeofSelect, 3);
  EXPECT_EQ(list.pcrSelections[0].pcrSelect[0], 0x01);
  EXPECT_EQ(list.pcrSelections[0].pcrSelect[1], 0x42);
  EXPECT_EQ(list.pcrSelections[0].pcrSelect[2], 0x81);
  EXPECT_EQ(list.pcrSelections[1].hash, TPM2_ALG_SHA1);
}

TEST(PcrSelection, HoldsNoMoreBanksThanACommandDoes) {
  EXPECT_EQ(ToTpml(PcrSelection(20)).count, 16U);
}

TEST(PcrDigest, MatchesTheQuoteOfARealTpm) {
  const auto quote = ReadCapture("quote.msg");
  const auto values = ReadCapture("pcr.sha256.bin");
  if (!quote || !values) GTEST_SKIP() << "the captures are not here";
  const auto attest = Must(ParseAttestation(*quote, AttestKind::kQuote));
  const auto& info = std::get<QuoteInfo>(attest.attested);
  PcrBank bank;
  for (uint8_t pcr = 0; pcr < kPcrCount; ++pcr) {
    bank.values[pcr] = ToBytes(ByteView(*values).subspan(size_t{pcr} * 32, 32));
  }
  ASSERT_EQ(info.selection.size(), 1U);
  EXPECT_EQ(Must(ComputePcrDigest(info.selection, {bank}, HashAlg::kSha256)), info.pcr_digest);
}

}  // namespace
}  // namespace lodekey::tpm
