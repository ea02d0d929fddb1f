#include "attest/codec.h"

#include <gtest/gtest.h>

#include "tests/attest/scene.h"
#include "tests/support/must.h"

namespace lodekey::attest {
namespace {

namespace node = lodekey::node::v1;
using crypto::HashAlg;
using test::Must;
using test::Scene;

template <class T>
std::string FailureOf(const Result<T>& result) {
  return result ? "none" : std::string(result.error().Name());
}

Evidence FullEvidence() {
  Scene scene;
  scene.message.boot_log = ToBytes("the boot log");
  Evidence evidence = scene.MakeEvidence(Purpose::kAttestQuote);
  evidence.ima_offset = uint64_t{1} << 40;
  evidence.ima_chunk = Bytes(100, 0x10);
  return evidence;
}

void ExpectSame(const Evidence& a, const Evidence& b) {
  EXPECT_EQ(a.quote, b.quote);
  EXPECT_EQ(a.quote_signature, b.quote_signature);
  EXPECT_EQ(a.pcrs, b.pcrs);
  EXPECT_EQ(a.boot_log_digest, b.boot_log_digest);
  EXPECT_EQ(a.boot_log, b.boot_log);
  EXPECT_EQ(a.ledger_pcr, b.ledger_pcr);
  EXPECT_EQ(a.ledger, b.ledger);
  EXPECT_EQ(a.ima_offset, b.ima_offset);
  EXPECT_EQ(a.ima_chunk, b.ima_chunk);
}

TEST(EvidenceCodec, KeepsEveryField) {
  const Evidence evidence = FullEvidence();
  ExpectSame(Must(DecodeEvidence(EncodeEvidence(evidence))), evidence);
}

TEST(EvidenceCodec, KeepsWhatIsAbsentApart) {
  Evidence evidence = FullEvidence();
  evidence.pcrs.reset();
  evidence.boot_log.reset();
  evidence.ledger.reset();
  evidence.ledger_pcr = kNoLedger;
  evidence.boot_log_digest = {};
  ExpectSame(Must(DecodeEvidence(EncodeEvidence(evidence))), evidence);
  // No values at all are not the same as no bank.
  evidence.pcrs = tpm::PcrBank{};
  EXPECT_TRUE(Must(DecodeEvidence(EncodeEvidence(evidence))).pcrs);
}

TEST(EvidenceCodec, TakesFieldsUpToTheirBoundsAndNotBeyond) {
  const auto with = [](auto set, size_t size) {
    node::Evidence message = EncodeEvidence(FullEvidence());
    (message.*set)(std::string(size, 'x'));
    return FailureOf(DecodeEvidence(message));
  };
  const auto bounded = [&](auto set, size_t max) {
    EXPECT_EQ(with(set, max), "none") << max;
    EXPECT_EQ(with(set, max + 1), "evidence-malformed") << max;
  };
  using Set = void (node::Evidence::*)(std::string&&);
  bounded(Set(&node::Evidence::set_quote), 1024);
  bounded(Set(&node::Evidence::set_quote_signature), 1024);
  bounded(Set(&node::Evidence::set_boot_log_digest), 64);
  bounded(Set(&node::Evidence::set_boot_log), kMaxBootLogSize);
  bounded(Set(&node::Evidence::set_ledger), kMaxLedgerSize);
  bounded(Set(&node::Evidence::set_ima_chunk), kMaxImaChunk);
}

TEST(EvidenceCodec, RefusesARegisterThatNoByteHolds) {
  node::Evidence message = EncodeEvidence(FullEvidence());
  message.set_ledger_pcr(255);
  EXPECT_EQ(Must(DecodeEvidence(message)).ledger_pcr, kNoLedger);
  message.set_ledger_pcr(256);
  EXPECT_EQ(FailureOf(DecodeEvidence(message)), "evidence-malformed");
  message.set_ledger_pcr(256 + 12);  // would be 12 if it were cut
  EXPECT_EQ(FailureOf(DecodeEvidence(message)), "evidence-malformed");
}

TEST(BankCodec, KeepsValues) {
  const tpm::PcrBank bank{.alg = HashAlg::kSha384,
                          .values = {{0, Bytes(48, 1)}, {23, Bytes(48, 2)}}};
  EXPECT_EQ(Must(DecodeBank(EncodeBank(bank))), bank);
}

TEST(BankCodec, RefusesWhatIsNoBank) {
  const node::PcrBank good = EncodeBank({.values = {{1, Bytes(32, 1)}}});
  node::PcrBank unknown = good;
  unknown.set_bank("md5");
  EXPECT_EQ(FailureOf(DecodeBank(unknown)), "evidence-malformed");
  unknown.set_bank("");
  EXPECT_EQ(FailureOf(DecodeBank(unknown)), "evidence-malformed");
  node::PcrBank above = good;
  above.mutable_values(0)->set_pcr(24);
  EXPECT_EQ(FailureOf(DecodeBank(above)), "evidence-malformed");
  above.mutable_values(0)->set_pcr(256 + 1);
  EXPECT_EQ(FailureOf(DecodeBank(above)), "evidence-malformed");
  node::PcrBank cut = good;
  cut.mutable_values(0)->mutable_value()->pop_back();
  EXPECT_EQ(FailureOf(DecodeBank(cut)), "evidence-malformed");
  node::PcrBank twice = good;
  *twice.add_values() = good.values(0);
  EXPECT_EQ(FailureOf(DecodeBank(twice)), "evidence-malformed");
}

TEST(BankCodec, DoesNotRepeatAStrangersTextInItsErrors) {
  node::PcrBank bank;
  bank.set_bank(std::string(100'000, '\x1b'));
  const auto decoded = DecodeBank(bank);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().text.find('\x1b'), std::string::npos);
}

TEST(SelectionCodec, KeepsBankAndRegisters) {
  const tpm::BankSelection selection{.bank = HashAlg::kSha1, .mask = 0xffffff};
  EXPECT_EQ(Must(DecodeSelection(EncodeSelection(selection))), selection);
}

TEST(SelectionCodec, RefusesNoRegisterAndNoSuchRegister) {
  EXPECT_FALSE(DecodeSelection(EncodeSelection({.mask = 0})));
  EXPECT_FALSE(DecodeSelection(EncodeSelection({.mask = 1U << 24})));
  node::PcrSelection message = EncodeSelection({.mask = 1});
  message.set_bank("sha3");
  EXPECT_FALSE(DecodeSelection(message));
}

TEST(CertificationCodec, KeepsBothFieldsAndBoundsThem) {
  const Certification certification = Scene().MakeCertification();
  const auto again = Must(DecodeCertification(EncodeCertification(certification)));
  EXPECT_EQ(again.attest, certification.attest);
  EXPECT_EQ(again.signature, certification.signature);
  for (const Certification& large :
       {Certification{.attest = Bytes(1025, 0)}, Certification{.signature = Bytes(1025, 0)}}) {
    EXPECT_EQ(FailureOf(DecodeCertification(EncodeCertification(large))), "evidence-malformed");
  }
}

TEST(VerdictCodec, CarriesRulesAndFacts) {
  Scene scene;
  scene.SetRegister(4, Bytes(32, 0xee));
  const Verdict verdict = scene.Attest();
  const auto message = EncodeVerdict(verdict, Outcome::kNodeRefused, verdict.failed(),
                                     Must(ParseTime("2026-01-31T09:30:00.250Z")));
  EXPECT_EQ(message.outcome(), lodekey::verdict::v1::Verdict::NODE_REFUSED);
  EXPECT_EQ(message.judged_unix_ms(), 1769851800250);
  ASSERT_EQ(message.failed_size(), 1);
  const FailedRule& rule = verdict.failed().front();
  EXPECT_EQ(message.failed(0).code(), rule.code);
  EXPECT_EQ(message.failed(0).subject(), rule.subject);
  EXPECT_EQ(message.failed(0).expected(), rule.expected);
  EXPECT_EQ(message.failed(0).seen(), rule.seen);
  EXPECT_EQ(message.failed(0).accept(), rule.accept);
  ASSERT_EQ(message.facts_size(), static_cast<int>(verdict.facts().size()));
  EXPECT_EQ(message.facts(0).name(), "pcr-bank");
  EXPECT_EQ(message.facts(0).value(), "sha256");
  EXPECT_EQ(message.facts(0).grade(), "proved");
}

TEST(VerdictCodec, TellsOutcomesApart) {
  using Message = lodekey::verdict::v1::Verdict;
  const Verdict verdict = Scene().Attest();
  const auto encoded = [&](Outcome outcome) {
    return EncodeVerdict(verdict, outcome, {}, Time()).outcome();
  };
  EXPECT_EQ(encoded(Outcome::kAccepted), Message::ACCEPTED);
  EXPECT_EQ(encoded(Outcome::kMessageRefused), Message::MESSAGE_REFUSED);
  EXPECT_EQ(encoded(Outcome::kEnrolAgain), Message::ENROL_AGAIN);
  EXPECT_EQ(encoded(Outcome::kNodeRefused), Message::NODE_REFUSED);
  EXPECT_EQ(encoded(Outcome::kNodeQuarantined), Message::NODE_QUARANTINED);
}

TEST(FieldCodec, KeepsAllBytes) {
  Bytes bytes;
  for (int value = 0; value < 256; ++value) bytes.push_back(static_cast<uint8_t>(value));
  EXPECT_EQ(FromField(ToField(bytes)), bytes);
}

}  // namespace
}  // namespace lodekey::attest
