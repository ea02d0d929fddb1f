// The claim, and the ledger that may only grow.
#include <gtest/gtest.h>

#include "attest/appraisal_rules.h"
#include "tests/attest/scene.h"
#include "tpm/pcr.h"

namespace lodekey::attest {
namespace {

using crypto::HashAlg;
using test::Chip;
using test::Codes;
using test::EarlierEnrolmentOf;
using test::kLedgerPcr;
using test::OnlyFailure;
using test::OtherChip;
using test::Scene;

constexpr uint8_t kOtherPcr = 12;

// "accepted", or the outcome and the rules that failed; of what the policy judges: "finding
// ledger-mismatch".
std::string Said(const Verdict& verdict) {
  const bool finding = verdict.decidable() && !verdict.findings().empty();
  std::string text(finding ? "finding" : OutcomeName(verdict.outcome()));
  for (const FailedRule& rule : verdict.failed()) {
    EXPECT_FALSE(rule.accept.empty()) << rule.code;
    text += " " + rule.code;
  }
  return text;
}

// One host, whose ledger a test changes.
class LedgerRulesTest : public testing::Test {
 protected:
  std::string Enrols() const { return Said(scene.Enrol()); }
  std::string Attests() const { return Said(scene.Attest()); }
  // Both stages judge a ledger by the same rules.
  void ExpectBoth(const std::string& answer) const {
    EXPECT_EQ(Enrols(), answer);
    EXPECT_EQ(Attests(), answer);
  }

  void ExpectFact(const std::string& name, const std::string& value) const {
    EXPECT_EQ(test::FactNamed(scene.Enrol(), name), value);
    EXPECT_EQ(test::FactNamed(scene.Attest(), name), value);
  }

  LedgerRecord& claim() { return scene.ledger.front(); }
  // The message carries the ledger; the register holds what it held.
  void Send() { scene.message.ledger = EncodeLedger(scene.ledger); }
  // The issuer accepted before what the message carries.
  void Remember() { scene.state.ledger = *scene.message.ledger; }
  void SendAsRemembered() {
    Send();
    Remember();
  }

  // A record behind the claim.
  void Append() {
    LedgerRecord record = claim();
    record.number = scene.ledger.size();
    scene.ledger.push_back(record);
    scene.RecordLedger();
  }
  // Something extended the register before the agent looked.
  void Touch() {
    claim().claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 9)}});
    scene.RecordLedger();
  }
  void ClaimForOther() {
    const tpm::Name& other = OtherChip().ak().area.name();
    claim().claim.ak_name = other;
    claim().digests = ClaimDigests(other, {HashAlg::kSha256});
    scene.RecordLedger();
  }
  // The same ledger, all of it, in another register.
  void Move(uint8_t pcr) {
    claim().pcr = pcr;
    Send();
    scene.message.ledger_pcr = pcr;
    scene.SetRegister(pcr, scene.registers.values[kLedgerPcr]);
  }
  // The host sends no claim, and the issuer has seen none.
  void GiveUpRegister() {
    scene.message.ledger_pcr = kNoLedger;
    scene.message.ledger.reset();
  }
  void WithoutRegister() {
    GiveUpRegister();
    scene.state.ledger_pcr = kNoLedger;
    scene.state.ledger = {};
  }
  void Allow(uint8_t pcr) { scene.policy.ledger_registers |= 1U << pcr; }
  void Suspend() { ++scene.clock.restart_count; }

  Scene scene;
};

class ClaimRule : public LedgerRulesTest {};
class LedgerRule : public LedgerRulesTest {};

// --- The claim. ---

TEST_F(ClaimRule, AHostWithoutARegisterSaysSoAsAFact) {
  ExpectFact("ledger-register", "13");
  WithoutRegister();
  ExpectBoth("accepted");
  ExpectFact("ledger-register", "absent");
  ExpectFact("ledger-touched", "no");
}

TEST_F(ClaimRule, IsRequiredOfAHostThatNamesARegister) {
  scene.message.ledger.reset();
  EXPECT_EQ(Enrols(), "finding claim-missing");
}

TEST_F(ClaimRule, IsRefusedForAnotherAk) {
  ClaimForOther();
  const FailedRule rule = OnlyFailure(scene.Enrol());
  EXPECT_EQ(rule.expected, ToHex(scene.subject.ak.name()));
  EXPECT_EQ(rule.seen, ToHex(OtherChip().ak().area.name()));
  ExpectBoth("finding claim-other-ak");
}

TEST_F(ClaimRule, IsRefusedWhenItsDigestIsNotOfIt) {
  claim().digests = ClaimDigests(OtherChip().ak().area.name(), {HashAlg::kSha256});
  scene.RecordLedger();
  Remember();
  ExpectBoth("finding ledger-mismatch");
}

TEST_F(ClaimRule, ATouchedRegisterIsAFact) {
  ExpectFact("ledger-touched", "no");
  Touch();
  Remember();
  ExpectBoth("accepted");
  ExpectFact("ledger-touched", "yes");
}

TEST_F(ClaimRule, ATouchedRegisterStaysAFactWhenTheLedgerIsNotSentAgain) {
  Touch();
  Remember();
  scene.message.ledger.reset();
  EXPECT_EQ(test::FactNamed(scene.Attest(), "ledger-touched"), "yes");
}

// --- The register. ---

TEST_F(LedgerRule, AllowsOneRegisterUnlessPolicySaysMore) {
  EXPECT_EQ(AppraisalPolicy().ledger_registers, 1U << 13);
  Move(kOtherPcr);
  EXPECT_EQ(Enrols(), "finding ledger-register");
  Allow(kOtherPcr);
  EXPECT_EQ(Enrols(), "accepted");
}

TEST_F(LedgerRule, IsRefusedInARegisterThatPolicyDoesNotAllow) {
  scene.policy.ledger_registers = 1U << kOtherPcr;
  ExpectBoth("finding ledger-register");
}

TEST_F(LedgerRule, IsRefusedWhenItsRecordsAreForAnotherRegister) {
  claim().pcr = kOtherPcr;
  SendAsRemembered();
  ExpectBoth("finding ledger-register");
}

TEST_F(LedgerRule, IsRefusedInARegisterThatDoesNotExist) {
  scene.message.ledger_pcr = 24;
  scene.state.ledger_pcr = 24;
  ExpectBoth("finding ledger-register");
}

TEST_F(LedgerRule, IsRefusedWhenTheRegisterHoldsSomethingElse) {
  scene.SetRegister(kLedgerPcr, Bytes(32, 0xee));
  ExpectBoth("finding ledger-mismatch");
}

TEST_F(LedgerRule, IsRefusedWhenTheFirstLookIsNotWhatTheRegisterHeld) {
  Touch();
  claim().claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 8)}});
  SendAsRemembered();
  ExpectBoth("finding ledger-mismatch");
}

TEST_F(LedgerRule, IsRefusedWithoutTheQuotedBank) {
  claim().digests = ClaimDigests(scene.subject.ak.name(), {HashAlg::kSha1});
  SendAsRemembered();
  ExpectBoth("finding ledger-mismatch");
}

TEST_F(LedgerRule, IsRefusedWhenItsRegisterIsNotQuoted) {
  scene.policy.required = 0x0fff;
  scene.policy.static_pcrs = 0x03ff;
  scene.selection.front().mask = 0x0fff;
  for (const uint8_t pcr : Bytes{12, 13, 14, 15}) scene.message.pcrs->values.erase(pcr);
  ExpectBoth("finding ledger-mismatch");
}

TEST_F(LedgerRule, IsNoEvidenceWhenItDoesNotParse) {
  scene.message.ledger->push_back(0);
  ExpectBoth("message-refused ledger-malformed");
}

// --- From one evidence to the next. ---

TEST_F(LedgerRule, MayGrow) {
  Append();
  EXPECT_EQ(Attests(), "accepted");
}

TEST_F(LedgerRule, IsNotSentAgainWhenItDidNotGrow) {
  scene.message.ledger.reset();
  EXPECT_EQ(Attests(), "accepted");
}

TEST_F(LedgerRule, IsRefusedWhenARecordIsGone) {
  Append();
  Remember();
  scene.ledger.pop_back();
  scene.RecordLedger();
  EXPECT_EQ(Attests(), "finding ledger-rewritten");
}

TEST_F(LedgerRule, IsRefusedWhenARecordIsAnother) {
  Append();
  Remember();
  scene.ledger.back().claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 1)}});
  scene.RecordLedger();
  EXPECT_EQ(Attests(), "finding ledger-rewritten");
}

TEST_F(LedgerRule, IsRefusedWhenALaterRecordIsNotWhatWasExtended) {
  Append();
  scene.ledger.back().claim.ak_name = OtherChip().ak().area.name();
  Send();
  EXPECT_EQ(Attests(), "finding ledger-mismatch");
}

TEST_F(LedgerRule, IsRefusedWhenItsClaimIsAnother) {
  Touch();
  EXPECT_EQ(Attests(), "finding ledger-rewritten");
}

TEST_F(LedgerRule, IsRefusedWhenItMovesToAnotherRegister) {
  Allow(kOtherPcr);
  Move(kOtherPcr);
  EXPECT_EQ(Attests(), "finding ledger-rewritten");
}

TEST_F(LedgerRule, IsRefusedWhenTheHostGivesItsRegisterUp) {
  GiveUpRegister();
  EXPECT_EQ(Attests(), "finding ledger-rewritten");
}

TEST_F(LedgerRule, IsRefusedWhenTheRegisterWasExtendedAndNothingRecorded) {
  scene.SetRegister(kLedgerPcr, tpm::ExtendPcr(HashAlg::kSha256, scene.registers.values[kLedgerPcr],
                                               Bytes(32, 1)));
  scene.message.ledger.reset();
  EXPECT_EQ(Attests(), "finding ledger-mismatch");
}

TEST_F(LedgerRule, ContinuesOverASuspend) {
  Suspend();
  EXPECT_EQ(Attests(), "accepted");
  Append();
  EXPECT_EQ(Attests(), "accepted");
}

TEST_F(LedgerRule, ThatStartsAnewAfterARestartEndsTheBoot) {
  Append();
  Remember();
  Suspend();
  scene.ledger.pop_back();
  scene.RecordLedger();
  // What else differs after a restart is not held against the node.
  scene.SetRegister(4, Bytes(32, 0xee));
  EXPECT_EQ(Attests(), "enrol-again log-restarted");
}

// --- From one enrolment to the next. ---

// A host that enrolled in this boot, and enrols again.
class LedgerOfAnEnrolment : public LedgerRulesTest {
 protected:
  LedgerOfAnEnrolment() { scene.earlier = EarlierEnrolmentOf(scene); }

  void Reboot() { scene.clock = {.clock = 1, .reset_count = 8, .safe = true}; }
};

TEST_F(LedgerOfAnEnrolment, StaysInTheRegisterOfTheBoot) {
  EXPECT_EQ(Enrols(), "accepted");
  Allow(kOtherPcr);
  Move(kOtherPcr);
  const FailedRule rule = OnlyFailure(scene.Enrol());
  EXPECT_EQ(rule.expected, "13, which was claimed in this boot");
  EXPECT_EQ(rule.seen, "PCR 12");
  EXPECT_NE(rule.accept.find("tpm.ledger_pcr back to \"13\""), std::string::npos) << rule.accept;
  EXPECT_EQ(Enrols(), "finding ledger-register");
  Suspend();
  EXPECT_EQ(Enrols(), "finding ledger-register");
  scene.clock.reset_count = 0;  // TPM2_Clear leaves the registers as they are
  EXPECT_EQ(Enrols(), "finding ledger-register");
  Reboot();
  EXPECT_EQ(Enrols(), "accepted");
}

TEST_F(LedgerOfAnEnrolment, IsNotGivenUpWithinTheBoot) {
  GiveUpRegister();
  EXPECT_EQ(Enrols(), "finding ledger-register");
  EXPECT_EQ(OnlyFailure(scene.Enrol()).seen, "none");
  Reboot();
  EXPECT_EQ(Enrols(), "accepted");
}

TEST_F(LedgerOfAnEnrolment, MayBeTheFirstOfTheBoot) {
  scene.earlier->ledger_pcr = kNoLedger;
  scene.earlier->ledger = {};
  EXPECT_EQ(Enrols(), "accepted");
  // No claim was judged: another AK's is refused.
  ClaimForOther();
  EXPECT_EQ(Enrols(), "finding claim-other-ak");
}

}  // namespace
}  // namespace lodekey::attest
