#include "tpm/attestation.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "tests/support/must.h"
#include "tests/support/software_tpm.h"
#include "tests/tpm/capture.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using test::AttestChanges;
using test::Must;
using test::ReadCapture;
using test::SignedAttestation;
using test::SoftwareTpm;

const SoftwareTpm& Tpm() {
  static const SoftwareTpm tpm;
  return tpm;
}

const Bytes kNonce(32, 0x5a);

SignedAttestation Quote(const AttestChanges& changes = {}) {
  const PcrBank bank{.alg = HashAlg::kSha256, .values = {{0, Bytes(32, 1)}, {14, Bytes(32, 2)}}};
  return Tpm().Quote({{HashAlg::kSha256, bank.mask()}}, {bank}, kNonce, changes);
}

std::string FailureOf(ByteView bytes, AttestKind kind) {
  const auto parsed = ParseAttestation(bytes, kind);
  return parsed ? "none" : std::string(parsed.error().Name());
}

TEST(Attestation, ReadsEveryFieldOfAQuote) {
  const Attestation attest = Must(ParseAttestation(Quote().attest, AttestKind::kQuote));
  EXPECT_EQ(attest.qualified_signer,
            Must(QualifiedNameOfPrimary(Tpm().ak().area, TPM2_RH_ENDORSEMENT)));
  EXPECT_EQ(attest.extra_data, kNonce);
  EXPECT_EQ(attest.clock, Tpm().clock);
  EXPECT_EQ(attest.firmware_version, Tpm().firmware_version);
  const auto& quote = std::get<QuoteInfo>(attest.attested);
  EXPECT_EQ(quote.selection, (PcrSelection{{HashAlg::kSha256, 0x4001}}));
  EXPECT_EQ(quote.pcr_digest, crypto::Digest(HashAlg::kSha256, {Bytes(32, 1), Bytes(32, 2)}));
}

TEST(Attestation, ReadsEveryFieldOfACertification) {
  const Attestation attest =
      Must(ParseAttestation(Tpm().Certify(kNonce).attest, AttestKind::kCertify));
  const auto& certify = std::get<CertifyInfo>(attest.attested);
  const PublicArea& key = Tpm().node_key().area;
  EXPECT_EQ(certify.name, key.name());
  EXPECT_EQ(certify.qualified_name, Must(QualifiedNameOfPrimary(key, TPM2_RH_NULL)));
  EXPECT_EQ(attest.extra_data, kNonce);
}

TEST(Attestation, ReadsTheQuoteOfARealTpm) {
  const auto bytes = ReadCapture("quote.msg");
  if (!bytes) GTEST_SKIP() << "the captures are not here";
  const Attestation attest = Must(ParseAttestation(*bytes, AttestKind::kQuote));
  EXPECT_EQ(ToHex(attest.extra_data),
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  EXPECT_EQ(attest.clock,
            (ClockInfo{.clock = 0x25a91, .reset_count = 3, .restart_count = 0, .safe = true}));
  EXPECT_EQ(attest.firmware_version, 0x2019102300163636U);
  EXPECT_EQ(std::get<QuoteInfo>(attest.attested).selection,
            (PcrSelection{{HashAlg::kSha256, 0xffff}}));
}

TEST(Attestation, A13ReadsAClockThatIsNotSafe) {
  ClockInfo clock = Tpm().clock;
  clock.safe = false;
  const auto attest = Must(ParseAttestation(Quote({.clock = clock}).attest, AttestKind::kQuote));
  EXPECT_EQ(attest.clock, clock);
}

TEST(Attestation, A18RefusesEveryTruncation) {
  const Bytes quote = Quote().attest;
  for (size_t size = 0; size < quote.size(); ++size) {
    ASSERT_EQ(FailureOf(ByteView(quote).first(size), AttestKind::kQuote), "attest-malformed")
        << size;
  }
  const Bytes certify = Tpm().Certify(kNonce).attest;
  for (size_t size = 0; size < certify.size(); ++size) {
    ASSERT_EQ(FailureOf(ByteView(certify).first(size), AttestKind::kCertify), "attest-malformed")
        << size;
  }
}

TEST(Attestation, A16RefusesACertificationAsAQuoteAndTheReverse) {
  const Bytes certify = Tpm().Certify(kNonce).attest;
  ASSERT_EQ(FailureOf(certify, AttestKind::kCertify), "none");
  EXPECT_EQ(FailureOf(certify, AttestKind::kQuote), "attest-type");
  EXPECT_EQ(FailureOf(Quote().attest, AttestKind::kCertify), "attest-type");
}

struct BadQuote {
  const char* title;
  AttestChanges changes;
  const char* name;
};

class AttestationRefuses : public testing::TestWithParam<BadQuote> {};

TEST_P(AttestationRefuses, WithAStableName) {
  ASSERT_EQ(FailureOf(Quote().attest, AttestKind::kQuote), "none");
  const auto parsed = ParseAttestation(Quote(GetParam().changes).attest, AttestKind::kQuote);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().Name(), GetParam().name);
  EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
}

// The offset of the count of banks: what stands before it has a fixed size in these quotes.
constexpr size_t kCount = 4 + 2 + (2 + 34) + (2 + 32) + 17 + 8;
constexpr size_t kSafe = kCount - 8 - 1;
constexpr size_t kSizeofSelect = kCount + 4 + 2;

AttestChanges SetByte(size_t offset, uint8_t value) {
  return {.bytes = [=](Bytes& bytes) { bytes.at(offset) = value; }};
}

// A bitmap of another size, with that many bytes really there.
AttestChanges BitmapOf(uint8_t size) {
  return {.bytes = [=](Bytes& bytes) {
    const auto bitmap = bytes.begin() + static_cast<ptrdiff_t>(kSizeofSelect) + 1;
    bytes.insert(bytes.erase(bitmap, bitmap + 3), size, 1);
    bytes.at(kSizeofSelect) = size;
  }};
}

AttestChanges Banks(PcrSelection selection) { return {.selection = std::move(selection)}; }

const BadQuote kBadQuotes[] = {
    {"A15MagicChanged", {.magic = 0xff544346}, "attest-magic"},
    {"A15MagicZero", {.magic = 0}, "attest-magic"},
    {"A15MagicReversed", {.magic = 0x474354ff}, "attest-magic"},
    {"A16TypeCertify", {.type = TPM2_ST_ATTEST_CERTIFY}, "attest-type"},
    {"A17TypeNv", {.type = TPM2_ST_ATTEST_NV}, "attest-type"},
    {"A17TypeCreation", {.type = TPM2_ST_ATTEST_CREATION}, "attest-type"},
    {"A17TypeTime", {.type = TPM2_ST_ATTEST_TIME}, "attest-type"},
    {"A17TypeSessionAudit", {.type = TPM2_ST_ATTEST_SESSION_AUDIT}, "attest-type"},
    {"A17TypeCommandAudit", {.type = TPM2_ST_ATTEST_COMMAND_AUDIT}, "attest-type"},
    {"A17TypeZero", {.type = TPM2_ST{0}}, "attest-type"},
    {"A19OneByteTooMany", {.bytes = [](Bytes& bytes) { bytes.push_back(0); }}, "attest-malformed"},
    {"A19ASecondQuoteBehind",
     {.bytes = [](Bytes& bytes) { bytes.insert(bytes.end(), bytes.begin(), bytes.end()); }},
     "attest-malformed"},
    {"A20SeventeenBanks", SetByte(kCount + 3, 17), "attest-malformed"},
    {"A20FourThousandMillionBanks",
     {.bytes = [](Bytes& bytes) { std::fill_n(bytes.begin() + kCount, 4, uint8_t{0xff}); }},
     "attest-malformed"},
    {"A20MoreBanksThanThere", SetByte(kCount + 3, 2), "attest-selection"},
    {"A21BitmapOf0", BitmapOf(0), "attest-selection"},
    {"A21BitmapOf2", BitmapOf(2), "attest-selection"},
    {"A21BitmapOf4", BitmapOf(4), "attest-selection"},
    {"A21BitmapOf255", BitmapOf(255), "attest-selection"},
    {"A21BitmapClaims255", SetByte(kSizeofSelect, 255), "attest-selection"},
    {"A22BankTwice", Banks({{HashAlg::kSha256, 1}, {HashAlg::kSha256, 0x4000}}),
     "attest-selection"},
    {"A22BankTwiceApart",
     Banks({{HashAlg::kSha256, 1}, {HashAlg::kSha1, 1}, {HashAlg::kSha256, 1}}),
     "attest-selection"},
    {"A23NoBank", Banks({}), "attest-selection"},
    {"A23NoRegister", Banks({{HashAlg::kSha256, 0}}), "attest-selection"},
    {"A23NoRegisterInAnyBank", Banks({{HashAlg::kSha256, 0}, {HashAlg::kSha1, 0}}),
     "attest-selection"},
    {"UnknownBank",
     {.attest =
          [](auto& a) { a.attested.quote.pcrSelect.pcrSelections[0].hash = TPM2_ALG_SM3_256; }},
     "attest-selection"},
    {"SafeNeitherYesNorNo", SetByte(kSafe, 2), "attest-malformed"},
    {"SignerOverlong",
     {.bytes =
          [](Bytes& bytes) {
            bytes.insert(bytes.begin() + 8, 100, 0);
            bytes.at(7) = static_cast<uint8_t>(bytes.at(7) + 100);
          }},
     "attest-malformed"},
    {"SignerSizeBeyondTheEnd", SetByte(6, 0xff), "attest-malformed"}};

INSTANTIATE_TEST_SUITE_P(Quotes, AttestationRefuses, testing::ValuesIn(kBadQuotes),
                         [](const auto& row) { return row.param.title; });

TEST(Attestation, KeepsTheSignedOrderOfBanks) {
  const PcrSelection selection = {
      {HashAlg::kSha256, 2}, {HashAlg::kSha1, 1}, {HashAlg::kSha384, 0}};
  const auto attest =
      Must(ParseAttestation(Quote({.selection = selection}).attest, AttestKind::kQuote));
  EXPECT_EQ(std::get<QuoteInfo>(attest.attested).selection, selection);
}

TEST(Attestation, A4A5KeepsTheExtraDataAsItIs) {
  for (const Bytes& extra : {Bytes{}, Bytes(1, 0), Bytes(31, 0x5a), Bytes(64, 0)}) {
    const auto attest =
        Must(ParseAttestation(Quote({.extra_data = extra}).attest, AttestKind::kQuote));
    EXPECT_EQ(attest.extra_data, extra);
  }
}

}  // namespace
}  // namespace lodekey::tpm
