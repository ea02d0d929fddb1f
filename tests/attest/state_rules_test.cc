// Authentic evidence of a host that may not be acceptable.
#include <gtest/gtest.h>

#include "attest/appraisal_rules.h"
#include "tests/attest/scene.h"

namespace lodekey::attest {
namespace {

using crypto::HashAlg;
using test::Chip;
using test::Codes;
using test::FactNamed;
using test::OnlyFailure;
using test::OtherChip;
using test::Scene;
using test::SoftwareTpm;

std::vector<std::string> None() { return {}; }

// --- Counters and firmware; the rows A10 to A14 have the rest. ---

TEST(Counters, MayRise) {
  Scene scene;
  scene.clock.clock += 1'000'000;
  EXPECT_EQ(Codes(scene.Attest()), None());
  scene.clock = scene.state.clock;  // two quotes within a millisecond
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(Counters, SayOnlyThatTheHostRebooted) {
  Scene scene;
  ++scene.clock.reset_count;
  scene.clock.clock = 0;
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.firmware_version = 1;
  const Verdict verdict = scene.Attest();
  const FailedRule rule = OnlyFailure(verdict);
  EXPECT_EQ(rule.code, "rebooted");
  EXPECT_EQ(rule.expected, "7");
  EXPECT_EQ(rule.seen, "8");
  EXPECT_EQ(verdict.outcome(), Outcome::kEnrolAgain);
}

TEST(ResetCount, MayGoDownOnceAWeek) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  --scene.clock.reset_count;
  EXPECT_EQ(Codes(scene.Enrol()), None());
  scene.earlier->since_decrease = kResetCountWatch;
  EXPECT_EQ(Codes(scene.Enrol()), None());
}

TEST(ResetCount, QuarantinesWhenItGoesDownAgain) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  // A second ago, almost a week ago, and by an issuer's clock that was set back since.
  for (const Duration since : {Duration(1000), kResetCountWatch - Duration(1), Duration(-1)}) {
    scene.earlier->since_decrease = since;
    scene.clock.reset_count = scene.state.clock.reset_count;
    EXPECT_EQ(Codes(scene.Enrol()), None()) << since.count();
    --scene.clock.reset_count;
    const Verdict verdict = scene.Enrol();
    const FailedRule rule = OnlyFailure(verdict);
    EXPECT_EQ(rule.code, "reset-count-decreased-again");
    EXPECT_EQ(rule.seen, "6");
    EXPECT_NE(rule.accept.find("lodekey node remove " + scene.subject.node_id), std::string::npos);
    EXPECT_NE(rule.accept.find("lodekey node allow " + scene.subject.node_id), std::string::npos);
    EXPECT_EQ(verdict.outcome(), Outcome::kNodeQuarantined);
  }
}

TEST(Firmware, ThatChangedIsAFact) {
  Scene scene;
  EXPECT_EQ(FactNamed(scene.Enrol(), "firmware-changed"), "no") << "there was none before";
  scene.earlier = test::EarlierEnrolmentOf(scene);
  for (const Verdict& verdict : {scene.Enrol(), scene.Attest()})
    EXPECT_EQ(FactNamed(verdict, "firmware-changed"), "no");
  scene.firmware_version = 0xabcd;
  for (const Verdict& verdict : {scene.Enrol(), scene.Attest()}) {
    EXPECT_EQ(Codes(verdict), None());
    EXPECT_EQ(FactNamed(verdict, "firmware-changed"), "yes");
    EXPECT_EQ(FactNamed(verdict, "firmware-version"), "0xabcd");
  }
}

// --- Static registers. ---

TEST(StaticRegisters, MayNotChangeWithinTheBoot) {
  Scene scene;
  scene.SetRegister(4, Bytes(32, 0xee));
  const Verdict verdict = scene.Attest();
  const FailedRule rule = OnlyFailure(verdict);
  EXPECT_EQ(rule.code, "pcr-changed-in-boot");
  EXPECT_EQ(rule.subject, "PCR 4 (sha256)");
  EXPECT_EQ(rule.expected, ToHex(Bytes(32, 4)));
  EXPECT_EQ(rule.seen, ToHex(Bytes(32, 0xee)));
  EXPECT_NE(rule.accept.find("lodekey node approve-pcrs " + scene.subject.node_id + " --pcr 4"),
            std::string::npos)
      << rule.accept;
  EXPECT_EQ(test::Strictest(verdict), Outcome::kNodeRefused);
}

TEST(StaticRegisters, AreEachReported) {
  Scene scene;
  for (const uint8_t pcr : Bytes{0, 7, 14}) scene.SetRegister(pcr, Bytes(32, 0xee));
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>(3, "pcr-changed-in-boot"));
}

TEST(StaticRegisters, AreThoseThatPolicyNames) {
  Scene scene;
  for (const uint8_t pcr : Bytes{10, 11, 12, 15}) scene.SetRegister(pcr, Bytes(32, 0xee));
  EXPECT_EQ(Codes(scene.Attest()), None());
  scene.policy.static_pcrs |= 1U << 11;
  EXPECT_EQ(OnlyFailure(scene.Attest()).subject, "PCR 11 (sha256)");
}

TEST(StaticRegisters, AreComparedWithTheFirstEvidenceOfTheBoot) {
  Scene scene;
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.state.pcrs = scene.registers;  // accepted meanwhile, because policy was another
  EXPECT_EQ(Codes(scene.Attest()), std::vector<std::string>{"pcr-changed-in-boot"});
}

TEST(StaticRegisters, StandWhenTheSameAkEnrolsAgainInTheBoot) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  EXPECT_EQ(Codes(scene.Enrol()), None());
  scene.SetRegister(4, Bytes(32, 0xee));
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"pcr-changed-in-boot"});
}

TEST(StaticRegisters, AreNewAfterAReboot) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.clock = {.clock = 1, .reset_count = 8, .safe = true};
  EXPECT_EQ(Codes(scene.Enrol()), None());
}

// TPM2_Clear sets the counter back and leaves the registers: it must not launder what changed in
// the boot.
TEST(StaticRegisters, StandWhenTheTpmWasCleared) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  scene.clock.reset_count = 0;
  EXPECT_EQ(Codes(scene.Enrol()), None());
  scene.SetRegister(4, Bytes(32, 0xee));
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"pcr-changed-in-boot"});
}

TEST(StaticRegisters, StandWhenTheTpmSlept) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  scene.SetRegister(4, Bytes(32, 0xee));
  ++scene.clock.restart_count;
  EXPECT_EQ(Codes(scene.Enrol()), std::vector<std::string>{"pcr-changed-in-boot"});
}

// --- The boot log. ---

TEST(BootLog, DoesNotChangeWithinTheBoot) {
  Scene scene;
  scene.message.boot_log_digest = Bytes(32, 1);
  const FailedRule rule = OnlyFailure(scene.Attest());
  EXPECT_EQ(rule.code, "boot-log-changed");
  EXPECT_EQ(rule.seen, ToHex(Bytes(32, 1)));
  EXPECT_EQ(rule.outcome, Outcome::kNodeRefused);
}

TEST(BootLog, NeitherAppearsNorGoesWithinTheBoot) {
  Scene gone;
  gone.message.boot_log_digest = {};
  EXPECT_EQ(OnlyFailure(gone.Attest()).seen, "no log");
  Scene appears;
  appears.state.boot_log_digest = {};
  EXPECT_EQ(OnlyFailure(appears.Attest()).expected, "no log");
}

TEST(BootLog, IsNewAfterAReboot) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  scene.message.boot_log_digest = Bytes(32, 1);
  scene.clock = {.clock = 1, .reset_count = 8, .safe = true};
  EXPECT_EQ(Codes(scene.Enrol()), None());
}

// To enrol again must not launder what evidence is refused for; nor must TPM2_Clear, which sets the
// counter back.
TEST(BootLog, StandsWhenTheHostEnrolsAgainInTheBoot) {
  Scene scene;
  scene.earlier = test::EarlierEnrolmentOf(scene);
  for (const uint32_t reset_count : {scene.clock.reset_count, 0U}) {
    scene.clock.reset_count = reset_count;
    scene.message.boot_log_digest = scene.state.boot_log_digest;
    EXPECT_EQ(Codes(scene.Enrol()), None()) << reset_count;
    for (const Bytes& digest : {Bytes(32, 1), Bytes{}}) {
      scene.message.boot_log_digest = digest;
      const FailedRule rule = OnlyFailure(scene.Enrol());
      EXPECT_EQ(rule.code, "boot-log-changed") << reset_count;
      EXPECT_EQ(rule.expected, ToHex(scene.state.boot_log_digest));
      EXPECT_EQ(rule.outcome, Outcome::kNodeRefused);
      EXPECT_NE(rule.accept.find("lodekey node remove " + scene.subject.node_id),
                std::string::npos);
    }
  }
}

// --- Reference values. ---

TEST(References, MayBeAbsent) {
  const Scene scene;
  EXPECT_EQ(Codes(scene.Enrol()), None());
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(References, AcceptAnyOfTheirValues) {
  Scene scene;
  scene.references = {{8, {Bytes(32, 0x77), Bytes(32, 8)}}};
  EXPECT_EQ(Codes(scene.Enrol()), None());
  EXPECT_EQ(Codes(scene.Attest()), None());
}

TEST(References, RefuseAnotherValueAndSayHowToAcceptIt) {
  Scene scene;
  scene.references = {{8, {Bytes(32, 0x77), Bytes(32, 0x88)}}, {9, {Bytes(32, 9)}}};
  for (const Verdict& verdict : {scene.Enrol(), scene.Attest()}) {
    const FailedRule rule = OnlyFailure(verdict);
    EXPECT_EQ(rule.code, "pcr-not-approved");
    EXPECT_EQ(rule.subject, "PCR 8 (sha256)");
    EXPECT_EQ(rule.expected, ToHex(Bytes(32, 0x77)) + " or " + ToHex(Bytes(32, 0x88)));
    EXPECT_EQ(rule.seen, ToHex(Bytes(32, 8)));
    EXPECT_EQ(rule.accept, "lodekey node approve-pcrs " + scene.subject.node_id + " --pcr 8");
    EXPECT_EQ(test::Strictest(verdict), Outcome::kNodeRefused);
  }
}

TEST(References, RefuseARegisterThatIsNotQuoted) {
  Scene scene;
  scene.references = {{16, {Bytes(32, 0)}}};
  EXPECT_EQ(OnlyFailure(scene.Enrol()).seen, "nothing");
}

TEST(References, DoNotReportARegisterTwice) {
  Scene scene;
  scene.references = {{4, {Bytes(32, 4)}}, {8, {Bytes(32, 0x77)}}};
  scene.SetRegister(4, Bytes(32, 0xee));
  EXPECT_EQ(Codes(scene.Attest()),
            (std::vector<std::string>{"pcr-not-approved", "pcr-changed-in-boot"}));
}

// --- A new AK for a known chip. ---

// The same EK and node, and in the chip a new AK that claimed the register.
struct Reinstalled {
  const Scene before;
  SoftwareTpm chip;
  Scene scene{chip};
  Reinstalled() {
    scene.subject.node_id = ToHex(Chip().ek().area.key().spki_sha256());
    scene.earlier = test::EarlierEnrolmentOf(before);
  }
  void Reboot() { scene.clock = {.clock = 1, .reset_count = 8, .safe = true}; }
  void Approve() { scene.approved_ak = scene.subject.ak.name(); }
  // The claim of the AK before is in the register, and the ledger that says so was not lost.
  void KeepLedger() {
    scene.ledger = before.ledger;
    scene.RecordLedger();
  }
  // It was lost: the new AK is claimed over what the register holds.
  void ClaimBehindTheOther() {
    scene.ledger.front().claim.first_look =
        EncodeFirstLook({{HashAlg::kSha256, before.registers.values.at(test::kLedgerPcr)}});
    scene.RecordLedger();
  }
  std::string Command() const {
    return "lodekey node approve-ak " + scene.subject.node_id + " --ak " +
           ToHex(scene.subject.ak.name());
  }
  // What the issuer knows once the enrolment was accepted.
  void Enrolled() {
    scene.state.pcrs = scene.state.static_pcrs = scene.registers;
    scene.state.ledger = *scene.message.ledger;
    scene.earlier = test::EarlierEnrolmentOf(scene);
    scene.approved_ak = {};
  }
};

TEST(AkSuccession, IsRefusedWithinTheBoot) {
  Reinstalled host;
  const Verdict verdict = host.scene.Enrol();
  EXPECT_TRUE(verdict.by_new_ak());
  EXPECT_FALSE(verdict.decidable());
  const FailedRule rule = OnlyFailure(verdict);
  EXPECT_EQ(rule.code, "ak-changed-in-boot");
  EXPECT_EQ(rule.expected, ToHex(Chip().ak().area.name()));
  EXPECT_EQ(rule.seen, ToHex(host.scene.subject.ak.name()));
  EXPECT_NE(rule.accept.find(host.Command()), std::string::npos) << rule.accept;
  EXPECT_NE(rule.accept.find("or reboot"), std::string::npos) << rule.accept;
}

// TPM2_Clear sets the counter back and begins no boot: it must not let a second AK in.
TEST(AkSuccession, IsRefusedWithinTheBootOfATpmThatWasCleared) {
  Reinstalled host;
  host.scene.clock.reset_count = 0;
  const FailedRule rule = OnlyFailure(host.scene.Enrol());
  EXPECT_EQ(rule.code, "ak-changed-in-boot");
  EXPECT_TRUE(rule.accept.ends_with(host.Command())) << rule.accept << " (a reboot is no help)";
  host.Approve();
  EXPECT_EQ(Codes(host.scene.Enrol()), None());
}

TEST(AkSuccession, IsAFactInALaterBoot) {
  Reinstalled host;
  EXPECT_EQ(FactNamed(host.before.Enrol(), "attestation-key"), "same") << "none stood before";
  EXPECT_EQ(FactNamed(host.before.Attest(), "attestation-key"), "same");
  host.Reboot();
  host.scene.references = {{8, {Bytes(32, 0x77)}}};
  const Verdict verdict = host.scene.Enrol();
  EXPECT_EQ(FactNamed(verdict, "attestation-key"), "new");
  EXPECT_EQ(FactNamed(verdict, "attestation-key-name"), ToHex(host.scene.subject.ak.name()));
  EXPECT_EQ(FactNamed(verdict, "attestation-key-before"), ToHex(Chip().ak().area.name()));
  EXPECT_TRUE(verdict.by_new_ak());
  EXPECT_TRUE(verdict.decidable());
  EXPECT_EQ(Codes(verdict), std::vector<std::string>{"pcr-not-approved"}) << "all else is judged";
}

TEST(AkSuccession, IsAcceptedForTheAkThatWasApproved) {
  Reinstalled host;
  host.Approve();
  EXPECT_EQ(Codes(host.scene.Enrol()), None());
  host.Reboot();
  EXPECT_EQ(Codes(host.scene.Enrol()), None());
  EXPECT_EQ(FactNamed(host.scene.Enrol(), "attestation-key"), "approved");
  EXPECT_FALSE(host.scene.Enrol().by_new_ak());
  host.scene.approved_ak = OtherChip().ak().area.name();
  EXPECT_EQ(FactNamed(host.scene.Enrol(), "attestation-key"), "new");
}

TEST(AkSuccession, IsAcceptedUnderTheClaimOfTheAkBeforeWhenApproved) {
  Reinstalled host;
  host.KeepLedger();
  const FailedRule rule = OnlyFailure(host.scene.Enrol());
  EXPECT_EQ(rule.code, "ak-changed-in-boot");
  EXPECT_NE(rule.accept.find(host.Command() + ", or reboot"), std::string::npos) << rule.accept;
  host.Approve();
  EXPECT_EQ(Codes(host.scene.Enrol()), None());
  // What was approved stays so: in the evidence after it, and when the host enrols again.
  host.Enrolled();
  EXPECT_EQ(Codes(host.scene.Attest()), None());
  EXPECT_EQ(Codes(host.scene.Enrol()), None());
  // In another boot the first agent claims the TPM for its own AK.
  host.Reboot();
  EXPECT_EQ(Codes(host.scene.Enrol()), std::vector<std::string>{"claim-other-ak"});
}

TEST(AkSuccession, IsRefusedUnderTheClaimOfTheAkBeforeWhenTheRegisterHoldsMore) {
  Reinstalled host;
  host.KeepLedger();
  host.scene.SetRegister(test::kLedgerPcr, Bytes(32, 0xee));
  host.Approve();
  EXPECT_EQ(Codes(host.scene.Enrol()), std::vector<std::string>{"ledger-mismatch"});
}

TEST(AkSuccession, NeedsARebootWhenTheLedgerOfTheBootIsLost) {
  Reinstalled host;
  host.ClaimBehindTheOther();
  const FailedRule rule = OnlyFailure(host.scene.Enrol());
  EXPECT_EQ(rule.code, "ak-changed-in-boot");
  EXPECT_TRUE(rule.accept.starts_with("Only a reboot of the host helps")) << rule.accept;
  EXPECT_NE(rule.accept.find(host.Command()), std::string::npos) << rule.accept;
  host.Approve();
  const Verdict approved = host.scene.Enrol();
  EXPECT_EQ(Codes(approved), None());
  EXPECT_EQ(FactNamed(approved, "ledger-touched"), "yes");
}

// Anybody who may use the TPM device can make an AK: the node must not lose its identity by it.
TEST(AkSuccession, LeavesTheStandingAloneWhateverElseIsWrong) {
  Reinstalled host;
  host.scene.message.ledger = Scene().message.ledger;  // the claim of the AK that is enrolled
  host.scene.references = {{8, {Bytes(32, 0x77)}}};
  host.scene.clock.clock = 0;
  const Verdict verdict = host.scene.Enrol();
  EXPECT_EQ(Codes(verdict), std::vector<std::string>{"ak-changed-in-boot"});
  EXPECT_EQ(verdict.outcome(), Outcome::kMessageRefused);
}

}  // namespace
}  // namespace lodekey::attest
