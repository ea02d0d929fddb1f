// What an appraisal says as a whole: what it accepts, in which order it looks, and what it states.
#include "attest/appraisal.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/attest/scene.h"

namespace lodekey::attest {
namespace {

using test::Codes;
using test::FactNamed;
using test::Scene;
using test::SoftwareTpm;

std::vector<std::string> None() { return {}; }

Grade GradeOf(const Verdict& verdict, std::string_view name) {
  return std::ranges::find(verdict.facts(), name, &Fact::name)->grade;
}

TEST(Appraisal, AcceptsAnHonestHost) {
  const Scene scene;
  for (const Verdict& verdict : {scene.Enrol(), scene.Attest()}) {
    EXPECT_EQ(Codes(verdict), None());
    EXPECT_TRUE(verdict.decidable());
    ASSERT_TRUE(verdict.proved());
    EXPECT_EQ(verdict.proved()->pcrs, scene.registers);
    EXPECT_EQ(verdict.proved()->clock, scene.clock);
  }
}

TEST(Appraisal, AcceptsChipsWithRsaKeys) {
  for (const TPM2_ALG_ID scheme : {TPM2_ALG_RSASSA, TPM2_ALG_RSAPSS}) {
    const SoftwareTpm tpm({.ek_template = "rsa2048-l1", .ak_scheme = scheme, .chip = 2});
    const Scene scene(tpm);
    EXPECT_EQ(Codes(scene.Enrol()), None());
    EXPECT_EQ(Codes(scene.Attest()), None());
  }
}

TEST(Appraisal, JudgesTheStateOnlyOfAuthenticEvidence) {
  Scene scene;
  scene.clock.clock = 0;
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.quote.signer = &test::OtherChip().ak();
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(Codes(verdict), std::vector<std::string>{"signature-invalid"});
  EXPECT_EQ(verdict.outcome(), Outcome::kMessageRefused);
}

TEST(Appraisal, ListsEveryRuleThatFailed) {
  Scene scene;
  scene.clock.clock = 0;
  scene.message.boot_log_digest = Bytes(32, 1);
  scene.SetRegister(test::kLedgerPcr, Bytes(32, 0xee));
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.references = {{8, {Bytes(32, 0x77)}}};
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(Codes(verdict),
            (std::vector<std::string>{"clock-went-back", "ledger-mismatch", "boot-log-changed",
                                      "pcr-not-approved", "pcr-changed-in-boot"}));
  EXPECT_EQ(verdict.outcome(), Outcome::kNodeQuarantined);
  for (const FailedRule& rule : verdict.failed()) {
    EXPECT_FALSE(rule.subject.empty() || rule.expected.empty() || rule.seen.empty() ||
                 rule.accept.empty())
        << rule.code;
  }
}

TEST(Appraisal, DependsOnNothingButItsArguments) {
  const Scene scene;
  const Evidence evidence = scene.MakeEvidence(Purpose::kAttestQuote);
  const auto judge = [&] {
    return AppraiseEvidence(scene.subject, scene.nonce, scene.state, evidence, scene.references,
                            scene.policy);
  };
  EXPECT_EQ(judge().facts(), judge().facts());
  EXPECT_TRUE(judge().decidable());
}

TEST(Facts, StateWhatTheSignatureProves) {
  Scene scene;
  scene.clock = {.clock = 2'000'000, .reset_count = 7, .restart_count = 3, .safe = false};
  scene.firmware_version = 0xabcd;
  const Verdict verdict = scene.Attest();
  const std::vector<std::pair<std::string, std::string>> proved = {{"pcr-bank", "sha256"},
                                                                   {"reset-count", "7"},
                                                                   {"restart-count", "3"},
                                                                   {"clock-safe", "no"},
                                                                   {"firmware-version", "0xabcd"}};
  for (const auto& [name, value] : proved) {
    EXPECT_EQ(FactNamed(verdict, name), value);
    EXPECT_EQ(GradeOf(verdict, name), Grade::kProved) << name;
  }
}

TEST(Facts, StateWhatTheHostRecordedAndPeopleDeclared) {
  Scene scene;
  scene.references = {{0, {Bytes(32, 0)}}, {8, {Bytes(32, 8)}}};
  const Verdict verdict = scene.Enrol();
  EXPECT_EQ(FactNamed(verdict, "boot-log"), "sha256:" + ToHex(scene.message.boot_log_digest));
  EXPECT_EQ(GradeOf(verdict, "boot-log"), Grade::kRecorded);
  EXPECT_EQ(FactNamed(verdict, "ledger-register"), "13");
  EXPECT_EQ(GradeOf(verdict, "ledger-register"), Grade::kRecorded);
  EXPECT_EQ(FactNamed(verdict, "reference-values"), "0,8");
  EXPECT_EQ(GradeOf(verdict, "reference-values"), Grade::kDeclared);
}

TEST(Facts, StateWhatIsAbsent) {
  Scene scene;
  scene.message.ledger_pcr = kNoLedger;
  scene.message.ledger.reset();
  scene.message.boot_log_digest = {};
  const Verdict verdict = scene.Enrol();
  EXPECT_EQ(Codes(verdict), None());
  EXPECT_EQ(FactNamed(verdict, "boot-log"), "absent");
  EXPECT_EQ(FactNamed(verdict, "ledger-register"), "absent");
  EXPECT_EQ(FactNamed(verdict, "reference-values"), "absent");
}

TEST(Facts, AreStatedOfARefusedNodeToo) {
  Scene scene;
  scene.references = {{8, {Bytes(32, 0x77)}}};
  EXPECT_EQ(FactNamed(scene.Enrol(), "reset-count"), "7");
  EXPECT_EQ(FactNamed(scene.Attest(), "reset-count"), "7");
  ++scene.clock.reset_count;
  EXPECT_EQ(FactNamed(scene.Attest(), "reset-count"), "8");
}

}  // namespace
}  // namespace lodekey::attest
