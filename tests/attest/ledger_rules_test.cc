// The claim, and the ledger that may only grow.
#include <gtest/gtest.h>

#include "attest/appraisal_rules.h"
#include "tests/attest/scene.h"
#include "tpm/pcr.h"

namespace lodekey::attest {
namespace {

using crypto::HashAlg;
using test::Codes;
using test::kLedgerPcr;
using test::OnlyFailure;
using test::OtherChip;
using test::Scene;

std::vector<std::string> None() { return {}; }

// A record behind the claim.
void Append(Scene& scene) {
  LedgerRecord record = scene.ledger.front();
  record.number = scene.ledger.size();
  scene.ledger.push_back(record);
  scene.RecordLedger();
}

void ClaimFor(Scene& scene, const tpm::Name& ak_name) {
  scene.ledger.front().claim.ak_name = ak_name;
  scene.ledger.front().digests = ClaimDigests(ak_name, {HashAlg::kSha256});
  scene.RecordLedger();
}

// Something extended the register before the agent looked.
void Touch(Scene& scene) {
  scene.ledger.front().claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 9)}});
  scene.RecordLedger();
}

void WithoutRegister(Scene& scene) {
  scene.message.ledger_pcr = kNoLedger;
  scene.message.ledger.reset();
}

// Both stages judge a ledger by the same rules: the rule that failed, in each.
void ExpectRefused(Scene scene, const std::string& code, Outcome outcome = Outcome::kNodeRefused) {
  const Verdict enrolled = scene.Enrol();
  EXPECT_EQ(Codes(enrolled), std::vector<std::string>{code});
  EXPECT_EQ(enrolled.outcome(), outcome);
  EXPECT_FALSE(enrolled.failed().front().accept.empty());
  const Verdict attested = scene.Attest();
  EXPECT_EQ(Codes(attested), std::vector<std::string>{code});
  EXPECT_EQ(attested.outcome(), outcome);
}

TEST(Claim, IsRequired) {
  Scene scene;
  WithoutRegister(scene);
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"claim-missing"});
  scene.state.ledger_pcr = kNoLedger;
  scene.state.ledger = {};
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"claim-missing"});
}

TEST(Claim, IsNotRequiredOfHostsWithoutARegisterWherePolicySaysSo) {
  Scene scene;
  scene.policy.require_claim = false;
  scene.state.ledger_pcr = kNoLedger;
  scene.state.ledger = {};
  WithoutRegister(scene);
  EXPECT_EQ(Codes(scene.Enrol()), None());
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Claim, IsRequiredOfAHostThatNamesARegister) {
  Scene scene;
  scene.policy.require_claim = false;
  scene.message.ledger.reset();
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"claim-missing"});
}

TEST(Claim, IsRefusedForAnotherAk) {
  Scene scene;
  ClaimFor(scene, OtherChip().ak().area.name());
  const FailedRule rule = OnlyFailure(scene.Enrol());
  EXPECT_EQ(rule.code, "claim-other-ak");
  EXPECT_EQ(rule.expected, ToHex(scene.subject.ak.name()));
  EXPECT_EQ(rule.seen, ToHex(OtherChip().ak().area.name()));
  scene.state.ledger = *scene.message.ledger;
  ExpectRefused(scene, "claim-other-ak");
}

TEST(Claim, IsRefusedWhenItsDigestIsNotOfIt) {
  Scene scene;
  scene.ledger.front().digests = ClaimDigests(OtherChip().ak().area.name(), {HashAlg::kSha256});
  scene.RecordLedger();
  scene.state.ledger = *scene.message.ledger;
  ExpectRefused(scene, "ledger-mismatch");
}

TEST(Claim, IsRefusedInATouchedRegister) {
  Scene scene;
  Touch(scene);
  const Verdict verdict = scene.Enrol();
  EXPECT_EQ(OnlyFailure(verdict).code, "ledger-touched");
  EXPECT_EQ(verdict.outcome(), Outcome::kNodeRefused);
}

TEST(Claim, IsAcceptedInATouchedRegisterWherePolicySaysSo) {
  Scene scene;
  Touch(scene);
  scene.policy.accept_touched_ledger = true;
  scene.state.ledger = *scene.message.ledger;
  EXPECT_EQ(Codes(scene.Enrol()), None());
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Ledger, IsRefusedWhenTheFirstLookIsNotWhatTheRegisterHeld) {
  Scene scene;
  scene.policy.accept_touched_ledger = true;
  Touch(scene);
  scene.ledger.front().claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 8)}});
  scene.message.ledger = EncodeLedger(scene.ledger);
  scene.state.ledger = *scene.message.ledger;
  ExpectRefused(scene, "ledger-mismatch");
}

TEST(Ledger, IsRefusedInARegisterThatPolicyDoesNotAllow) {
  Scene scene;
  scene.policy.ledger_registers = 1U << 13;
  ExpectRefused(scene, "ledger-register");
}

TEST(Ledger, IsRefusedWhenItsRecordsAreForAnotherRegister) {
  Scene scene;
  scene.ledger.front().pcr = 13;
  scene.message.ledger = EncodeLedger(scene.ledger);
  scene.state.ledger = *scene.message.ledger;
  ExpectRefused(scene, "ledger-register");
}

TEST(Ledger, IsRefusedInARegisterThatDoesNotExist) {
  Scene scene;
  scene.message.ledger_pcr = 24;
  scene.state.ledger_pcr = 24;
  ExpectRefused(scene, "ledger-register");
}

TEST(Ledger, IsRefusedWhenTheRegisterHoldsSomethingElse) {
  Scene scene;
  scene.SetRegister(kLedgerPcr, Bytes(32, 0xee));
  ExpectRefused(scene, "ledger-mismatch");
}

TEST(Ledger, IsRefusedWithoutTheQuotedBank) {
  Scene scene;
  scene.ledger.front().digests = ClaimDigests(scene.subject.ak.name(), {HashAlg::kSha1});
  scene.message.ledger = EncodeLedger(scene.ledger);
  scene.state.ledger = *scene.message.ledger;
  ExpectRefused(scene, "ledger-mismatch");
}

TEST(Ledger, IsRefusedWhenItsRegisterIsNotQuoted) {
  Scene scene;
  scene.policy.required = 0x0fff;
  scene.selection.front().mask = 0x0fff;
  scene.message.pcrs->values.erase(12);
  scene.message.pcrs->values.erase(13);
  scene.message.pcrs->values.erase(14);
  scene.message.pcrs->values.erase(15);
  scene.policy.static_pcrs = 0x03ff;
  ExpectRefused(scene, "ledger-mismatch");
}

TEST(Ledger, IsNoEvidenceWhenItDoesNotParse) {
  Scene scene;
  scene.message.ledger->push_back(0);
  ExpectRefused(scene, "ledger-malformed", Outcome::kMessageRefused);
}

TEST(Ledger, MayGrow) {
  Scene scene;
  Append(scene);
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Ledger, IsNotSentAgainWhenItDidNotGrow) {
  Scene scene;
  scene.message.ledger.reset();
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Ledger, IsRefusedWhenARecordIsGone) {
  Scene scene;
  Append(scene);
  scene.state.ledger = *scene.message.ledger;
  scene.ledger.pop_back();
  scene.RecordLedger();
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(OnlyFailure(verdict).code, "ledger-rewritten");
  EXPECT_EQ(verdict.outcome(), Outcome::kNodeRefused);
}

TEST(Ledger, IsRefusedWhenARecordIsAnother) {
  Scene scene;
  Append(scene);
  scene.state.ledger = *scene.message.ledger;
  scene.ledger.back().claim.first_look = EncodeFirstLook({{HashAlg::kSha256, Bytes(32, 1)}});
  scene.RecordLedger();
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"ledger-rewritten"});
}

TEST(Ledger, IsRefusedWhenALaterRecordIsNotWhatWasExtended) {
  Scene scene;
  Append(scene);
  scene.ledger.back().claim.ak_name = OtherChip().ak().area.name();
  scene.message.ledger = EncodeLedger(scene.ledger);
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"ledger-mismatch"});
}

TEST(Ledger, IsJudgedAfreshWhenItIsAnother) {
  Scene scene;
  Touch(scene);
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"ledger-touched"});
}

TEST(Ledger, IsRefusedWhenItMovesToAnotherRegister) {
  Scene scene;
  scene.ledger.front().pcr = 13;
  scene.message.ledger = EncodeLedger(scene.ledger);
  scene.message.ledger_pcr = 13;
  scene.SetRegister(13, scene.registers.values[kLedgerPcr]);
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"ledger-rewritten"});
}

TEST(Ledger, IsRefusedWhenTheHostGivesItsRegisterUp) {
  Scene scene;
  scene.policy.require_claim = false;
  WithoutRegister(scene);
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"ledger-rewritten"});
}

TEST(Ledger, IsRefusedWhenTheRegisterWasExtendedAndNothingRecorded) {
  Scene scene;
  scene.SetRegister(kLedgerPcr, tpm::ExtendPcr(HashAlg::kSha256, scene.registers.values[kLedgerPcr],
                                               Bytes(32, 1)));
  scene.message.ledger.reset();
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"ledger-mismatch"});
}

TEST(Ledger, ContinuesOverASuspend) {
  Scene scene;
  ++scene.clock.restart_count;
  EXPECT_EQ(Codes(scene.Attest()), None());
  Append(scene);
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Ledger, ThatStartsAnewAfterARestartEndsTheBoot) {
  Scene scene;
  Append(scene);
  scene.state.ledger = *scene.message.ledger;
  ++scene.clock.restart_count;
  scene.ledger.pop_back();
  scene.RecordLedger();
  // What else differs after a restart is not held against the node.
  scene.SetRegister(4, Bytes(32, 0xee));
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(OnlyFailure(verdict).code, "log-restarted");
  EXPECT_EQ(verdict.outcome(), Outcome::kEnrolAgain);
}

}  // namespace
}  // namespace lodekey::attest
