// Whether a message is this node's, for this nonce, over these values; the rows of the attacks are
// in tests/attest/attacks.
#include <gtest/gtest.h>

#include "attest/appraisal_rules.h"
#include "tests/attest/scene.h"

namespace lodekey::attest {
namespace {

using test::Codes;
using test::OnlyFailure;
using test::Scene;

std::vector<std::string> None() { return {}; }

// The host says nothing that the issuer has already.
void SendWarm(Scene& scene) {
  scene.message.pcrs.reset();
  scene.message.ledger.reset();
}

TEST(WarmEvidence, IsJudgedByTheValuesLastAccepted) {
  Scene scene;
  SendWarm(scene);
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(Codes(verdict), None());
  ASSERT_TRUE(verdict.proved());
  EXPECT_EQ(verdict.proved()->pcrs, scene.state.pcrs);
}

TEST(WarmEvidence, IsStaleWhenARegisterChanged) {
  Scene scene;
  scene.SetRegister(10, Bytes(32, 0xee));
  SendWarm(scene);
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(OnlyFailure(verdict).code, "pcr-values-stale");
  EXPECT_EQ(verdict.outcome(), Outcome::kMessageRefused);
  EXPECT_FALSE(verdict.proved());
}

TEST(WarmEvidence, NeedsTheValueOfARegisterThatWasNeverGiven) {
  Scene scene;
  scene.registers.values[16] = Bytes(32, 0);
  scene.selection.front().mask |= 1U << 16;
  SendWarm(scene);
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"pcr-value-missing"});
}

TEST(WarmEvidence, DoesNotExistInAnEnrolment) {
  Scene scene;
  scene.message.pcrs.reset();
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"pcr-value-missing"});
}

TEST(BootLog, MayBeSentWithItsDigest) {
  Scene scene;
  scene.message.boot_log = ToBytes("the boot log");
  EXPECT_EQ(Codes(scene.Attest()), None());
  EXPECT_EQ(Codes(scene.Enrol()), None());
}

TEST(BootLog, IsRefusedWhenItsDigestIsOfAnother) {
  Scene scene;
  scene.message.boot_log = ToBytes("the boot log, changed");
  for (const Verdict& verdict : {scene.Attest(), scene.Enrol()}) {
    EXPECT_EQ(OnlyFailure(verdict).code, "boot-log-digest");
    EXPECT_EQ(verdict.outcome(), Outcome::kMessageRefused);
  }
}

TEST(BootLog, IsRefusedWhenItsDigestIsAbsentOrNoDigest) {
  Scene scene;
  scene.message.boot_log = ToBytes("the boot log");
  scene.message.boot_log_digest = {};
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"boot-log-digest"});
  scene.message.boot_log.reset();
  scene.message.boot_log_digest = Bytes(20, 1);
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"boot-log-digest"});
}

TEST(BootLog, NeedNotExist) {
  Scene scene;
  scene.message.boot_log_digest = {};
  scene.state.boot_log_digest = {};
  EXPECT_EQ(Codes(scene.Enrol()), None());
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Enrolment, ListsWhatIsWrongWithCertificationAndQuote) {
  Scene scene;
  scene.certify.magic = 0;
  scene.quote.extra_data = Bytes(32, 0);
  const Verdict verdict = scene.Enrol();
  EXPECT_EQ(Codes(verdict), (std::vector<std::string>{"attest-magic", "binding-mismatch"}));
  EXPECT_EQ(verdict.outcome(), Outcome::kMessageRefused);
  EXPECT_EQ(verdict.failed()[0].subject, "certification");
  EXPECT_EQ(verdict.failed()[1].subject, "quote: qualifying data");
}

TEST(RefusedMessage, SaysWhatWasExpectedAndSeen) {
  Scene scene;
  scene.quote.extra_data = Bytes(32, 0xab);
  const FailedRule rule = OnlyFailure(scene.Attest());
  EXPECT_EQ(rule.expected, ToHex(scene.Qualifying(Purpose::kAttestQuote)));
  EXPECT_EQ(rule.seen, ToHex(Bytes(32, 0xab)));
  EXPECT_FALSE(rule.accept.empty());
}

TEST(IsAuthentic, TellsASecondQuoteOverANonceFromNoise) {
  Scene scene;
  const auto authentic = [&] {
    return IsAuthentic(scene.subject, scene.nonce, scene.MakeEvidence(Purpose::kAttestQuote));
  };
  EXPECT_TRUE(authentic());
  // What a clone says of its registers does not matter; that it signs does.
  scene.SetRegister(0, Bytes(32, 0xee));
  scene.clock.clock = 0;
  EXPECT_TRUE(authentic());
  EXPECT_FALSE(
      IsAuthentic(scene.subject, Bytes(kNonceSize, 0), scene.MakeEvidence(Purpose::kAttestQuote)));
  EXPECT_FALSE(IsAuthentic(scene.subject, scene.nonce, scene.MakeEvidence(Purpose::kEnrolQuote)));
  EXPECT_FALSE(IsAuthentic(scene.subject, scene.nonce, Evidence{}));
  scene.quote.signer = &test::OtherChip().ak();
  EXPECT_FALSE(authentic());
}

}  // namespace
}  // namespace lodekey::attest
