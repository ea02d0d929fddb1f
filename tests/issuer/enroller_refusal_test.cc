// What becomes of a node whose enrolment is refused, and how it comes back.
#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "issuer/enroller.h"
#include "platform/log.h"
#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

using issuer::Standing;
using std::chrono::hours;

// A host that enrolled in this boot.
class EnrolledHostTest : public EnrollerTest {
 protected:
  explicit EnrolledHostTest(const SoftwareTpmOptions& chip = {}) : host(chip) {
    issuer.Admit(host);
  }
  std::string Enrols() { return Answer(issuer.Enrol(host)); }
  std::string Attests() { return Answer(issuer.Attest(host)); }
  issuer::NodeRecord Record() const { return issuer.Record(host); }

  Host host;
};

// The same on a chip whose EK outlives the agent's keys.
class AnotherAkTest : public EnrolledHostTest {
 protected:
  AnotherAkTest() : EnrolledHostTest(RsaChip(31)) {}
};

// --- Refusals and what becomes of the node ---

TEST_F(EnrollerTest, RefusesAHostWithoutReferencesUntilItsValuesAreApproved) {
  issuer.Choose("/appraisal/require_references", true);
  Host host;
  Allow(host);
  const auto refused = Must(issuer.Enrol(host));
  EXPECT_EQ(Answer(refused.verdict()), "NODE_REFUSED references-absent");
  EXPECT_FALSE(refused.has_identity());
  EXPECT_FALSE(refused.has_next());
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRefused);
  EXPECT_FALSE(issuer.Record(host).enrolment);
  EXPECT_TRUE(issuer.Credentials(host).empty());
  EXPECT_EQ(issuer.AuditEvents().back(), "node.enrolment-refused");

  issuer.ApprovePcrs(host);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
}

// The register of the ledger holds this host's claim; a group shares the others.
TEST_F(EnrollerTest, ApprovesForAGroupWhatItsFirstHostShowedInVain) {
  issuer.Choose("/appraisal/require_references", true);
  Host first;
  Host second;
  Allow(first);
  Allow(second);
  EXPECT_EQ(Answer(issuer.Enrol(first)), "NODE_REFUSED references-absent");
  issuer.ApprovePcrs(first);
  EXPECT_EQ(Answer(issuer.Enrol(first)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Enrol(second)), "ACCEPTED");
}

TEST_F(EnrolledHostTest, IsLeftAloneWhenAMessageIsNoEvidence) {
  const auto enrolment = Record().enrolment;
  EXPECT_EQ(Answer(issuer.Enrol(
                host, {.quote = {.signature = [](Bytes& signature) { signature.back() ^= 1; }}})),
            "MESSAGE_REFUSED signature-invalid");
  EXPECT_EQ(Record().standing, Standing::kActive);
  EXPECT_EQ(Record().enrolment, enrolment);
  EXPECT_EQ(Attests(), "ACCEPTED");
}

// A refusal has to be recorded however many values the group accepts.
TEST_F(EnrollerTest, RefusesAHostOfAGroupWithManyReferences) {
  Host host;
  Allow(host);
  Must(issuer.store->CommitAndWait([&](issuer::Transaction& transaction) -> Result<void> {
    for (uint8_t pcr = 0; pcr < 10; ++pcr) {
      for (uint8_t i = 0; i < 150; ++i) {
        RETURN_IF_ERROR(transaction.PutReference({.group = "default",
                                                  .pcr = pcr,
                                                  .value = Bytes(32, i),
                                                  .approved = At(0),
                                                  .approved_by = "uid 0"}),
                        "reference");
      }
    }
    return {};
  }));
  const auto refused = issuer.Enrol(host);
  ASSERT_TRUE(refused) << refused.error().text;
  EXPECT_EQ(refused->verdict().outcome(), lodekey::verdict::v1::Verdict::NODE_REFUSED);
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRefused);
  EXPECT_EQ(issuer.AuditRecords().back()["failed"].size(), 10U);
}

TEST_F(EnrollerTest, GivesNothingWhenTheStoreCannotRecord) {
  Host host;
  Allow(host);
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.store->Fail(
      Error{.code = Code::kUnavailable, .text = "the disk is full", .name = "store-unavailable"});
  const auto failed = issuer.Finish(request);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().Name(), "store-unavailable");
  EXPECT_TRUE(issuer.Credentials(host).empty());
  // Nothing was used up.
  issuer.store->Fail(std::nullopt);
  EXPECT_EQ(Answer(issuer.Finish(request)), "ACCEPTED");
}

// --- Another attestation key ---

TEST_F(AnotherAkTest, IsRefusedInTheSameBootAndTheNodeLeftAlone) {
  // Another program at the same TPM: it finds the register claimed, and has to say so or to repeat
  // the claim.
  Host other(RsaChip(31));
  ASSERT_EQ(other.id(), host.id());
  other.registers = host.registers;
  other.ledger = host.ledger;
  EXPECT_EQ(Answer(issuer.Enrol(other)), "MESSAGE_REFUSED ak-changed-in-boot");
  other.LoseState();
  const auto refused = Must(issuer.Enrol(other));
  EXPECT_EQ(Answer(refused.verdict()), "MESSAGE_REFUSED ak-changed-in-boot");
  EXPECT_FALSE(refused.has_identity());
  const issuer::NodeRecord record = Record();
  ASSERT_TRUE(record.pending_ak);
  EXPECT_EQ(record.pending_ak->ak_name, other.tpm().ak().area.name());
  // Otherwise whoever may use the TPM could take the identity from the node.
  EXPECT_EQ(record.standing, Standing::kActive);
  EXPECT_EQ(record.enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(Attests(), "ACCEPTED");
}

TEST_F(AnotherAkTest, IsTakenInTheSameBootOnceItIsApproved) {
  host.LoseKeys();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-changed-in-boot");
  const auto approved = issuer.ApproveAk(host);
  EXPECT_TRUE(approved.changed);
  EXPECT_EQ(approved.record.approved_ak, host.tpm().ak().area.name());
  // The approval takes effect with the next enrolment, not before.
  EXPECT_NE(Record().enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(Enrols(), "ACCEPTED");
  EXPECT_EQ(Record().enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_TRUE(Record().approved_ak.empty());
  EXPECT_FALSE(Record().pending_ak);
  // The claim of the AK before stands for it from now on.
  EXPECT_EQ(Attests(), "ACCEPTED");
  EXPECT_EQ(Enrols(), "ACCEPTED");
}

TEST_F(AnotherAkTest, IsTakenBehindAnotherThatWasApprovedInTheSameBoot) {
  for (int i = 0; i < 2; ++i) {
    host.LoseKeys();
    EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-changed-in-boot");
    issuer.ApproveAk(host);
    EXPECT_EQ(Enrols(), "ACCEPTED");
  }
}

TEST_F(AnotherAkTest, NeedsARebootWhenTheLedgerOfTheBootIsLost) {
  host.LoseState();
  const auto refused = Must(issuer.Enrol(host));
  EXPECT_EQ(Answer(refused.verdict()), "MESSAGE_REFUSED ak-changed-in-boot");
  EXPECT_TRUE(refused.verdict().failed(0).accept().starts_with("Only a reboot"))
      << refused.verdict().failed(0).accept();
  issuer.ApproveAk(host);
  EXPECT_EQ(Enrols(), "NODE_REFUSED ledger-touched");
  host.Reboot();
  EXPECT_EQ(Enrols(), "ACCEPTED");
}

TEST_F(AnotherAkTest, IsTakenWithoutTheLedgerWhereAnyRegisterWillDo) {
  issuer.Choose("/appraisal/accept_touched_ledger", true);
  host.LoseState();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-changed-in-boot");
  issuer.ApproveAk(host);
  EXPECT_EQ(Enrols(), "ACCEPTED");
}

TEST_F(AnotherAkTest, IsTakenInALaterBootOnceItIsApproved) {
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-not-approved");
  issuer.ApproveAk(host);
  EXPECT_EQ(Enrols(), "ACCEPTED");
}

// What it shows is nobody's: credentials are still decided on what the node showed last.
TEST_F(AnotherAkTest, LeavesWhatTheNodeShowed) {
  const auto facts = issuer.Record(host).enrolment->facts;
  EXPECT_FALSE(facts.empty());
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-not-approved");
  EXPECT_EQ(issuer.Record(host).enrolment->facts, facts);
  issuer.ApproveAk(host);
  EXPECT_EQ(Enrols(), "ACCEPTED");
  EXPECT_NE(issuer.Record(host).enrolment->facts, facts) << "another boot";
}

TEST_F(AnotherAkTest, IsNotTakenForAnApprovedOther) {
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-not-approved");
  issuer.ApproveAk(host);
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-not-approved");
}

TEST_F(AnotherAkTest, IsTakenInALaterBootWherePolicySaysSo) {
  issuer.Choose("/appraisal/accept_new_ak", true);
  host.LoseState();
  EXPECT_EQ(Enrols(), "MESSAGE_REFUSED ak-changed-in-boot");
  host.Reboot();
  EXPECT_EQ(Enrols(), "ACCEPTED");
}

// --- Enrolling again ---

TEST_F(EnrolledHostTest, EnrolsAgainAfterAReboot) {
  host.Reboot();
  EXPECT_EQ(Attests(), "ENROL_AGAIN rebooted");
  EXPECT_EQ(Enrols(), "ACCEPTED");
  EXPECT_EQ(Attests(), "ACCEPTED");
}

// Enrolling again in the same boot must not make a change of that boot disappear.
TEST_F(EnrolledHostTest, KeepsTheBootsFirstValuesWhenItEnrolsAgain) {
  host.Extend(7);
  EXPECT_EQ(Enrols(), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(Record().standing, Standing::kRefused);
  EXPECT_EQ(Enrols(), "NODE_REFUSED pcr-changed-in-boot");
  issuer.ApprovePcrs(host, 1U << 7);
  EXPECT_EQ(Enrols(), "ACCEPTED");
}

TEST_F(EnrolledHostTest, MayNotClaimASecondRegisterInTheBoot) {
  issuer.Choose("/appraisal/ledger_registers", "12-13");
  host.ClaimIn(12);
  EXPECT_EQ(Enrols(), "NODE_REFUSED ledger-register");
  EXPECT_EQ(Record().enrolment->ledger_pcr, 13);
  host.Reboot();
  EXPECT_EQ(Enrols(), "ACCEPTED");
  EXPECT_EQ(Record().enrolment->ledger_pcr, 12);
}

// --- resetCount that goes down ---

class ResetCountTest : public EnrolledHostTest {
 protected:
  std::string EnrolsAt(uint32_t reset_count) {
    host.tpm().clock.reset_count = reset_count;
    return Enrols();
  }

  const uint32_t first = host.tpm().clock.reset_count;
};

TEST_F(ResetCountTest, MayGoDownOnce) {
  EXPECT_FALSE(Record().reset_count_decreased);
  EXPECT_EQ(EnrolsAt(0), "ACCEPTED");
  EXPECT_EQ(Record().reset_count_decreased, issuer.now);
  EXPECT_EQ(EnrolsAt(1), "ACCEPTED");
  EXPECT_EQ(Record().standing, Standing::kActive);
}

TEST_F(ResetCountTest, QuarantinesTwoMachinesThatTakeTurns) {
  EXPECT_EQ(EnrolsAt(first + 1), "ACCEPTED");
  EXPECT_EQ(EnrolsAt(first), "ACCEPTED");
  EXPECT_EQ(EnrolsAt(first + 1), "ACCEPTED");
  issuer.Pass(hours(24));
  platform::InitLog(platform::LogLevel::kInfo);
  testing::internal::CaptureStderr();
  const std::string answer = EnrolsAt(first);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(answer, "NODE_QUARANTINED reset-count-decreased-again");
  EXPECT_EQ(Record().standing, Standing::kQuarantined);
  EXPECT_EQ(Record().enrolment->clock.reset_count, first + 1);
  EXPECT_NE(log.find(" error a node is quarantined"), std::string::npos) << log;
  EXPECT_NE(log.find(host.id()), std::string::npos) << log;
  EXPECT_NE(log.find("reset-count-decreased-again"), std::string::npos) << log;
  const auto line = issuer.AuditRecords().back();
  EXPECT_EQ(line.value("event", ""), "node.quarantined");
  EXPECT_EQ(line.value("actor", ""), "issuer");
  EXPECT_TRUE(line.value("detail", "").starts_with("reset-count-decreased-again: ")) << line;
  EXPECT_EQ(EnrolsAt(first + 2), "node-quarantined");
  // Once the second machine is found.
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  Allow(host);
  EXPECT_EQ(EnrolsAt(first), "ACCEPTED");
  EXPECT_FALSE(Record().reset_count_decreased);
}

TEST_F(ResetCountTest, MayGoDownAgainAfterAWeek) {
  EXPECT_EQ(EnrolsAt(first - 1), "ACCEPTED");
  issuer.Pass(attest::kResetCountWatch);
  Must(issuer.authority->Refresh(issuer.now));
  EXPECT_EQ(EnrolsAt(first - 2), "ACCEPTED");
  EXPECT_EQ(Record().reset_count_decreased, issuer.now);
}

// An agent tries again and again.
TEST_F(ResetCountTest, CountsNoEnrolmentThatWasRefused) {
  host.Extend(7);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(EnrolsAt(first - 1), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_FALSE(Record().reset_count_decreased);
  issuer.ApprovePcrs(host, 1U << 7);
  EXPECT_EQ(EnrolsAt(first - 1), "ACCEPTED");
}

// --- At once ---

TEST_F(EnrollerTest, LetsOneOfManyConcurrentFinishesWin) {
  Host host;
  Allow(host);
  std::vector<node::FinishEnrolmentRequest> requests;
  for (int i = 0; i < 4; ++i)
    requests.push_back(Must(host.Finish(Must(issuer.Start(host.Start())))));
  std::vector<std::string> answers(requests.size());
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < requests.size(); ++i)
      threads.emplace_back([&, i] { answers[i] = Answer(issuer.Finish(requests[i])); });
  }
  EXPECT_EQ(std::ranges::count(answers, "ACCEPTED"), 1);
  EXPECT_EQ(std::ranges::count(answers, "node-changed"), 3);
  EXPECT_EQ(issuer.Credentials(host).size(), 1U);
}

}  // namespace
}  // namespace lodekey::test
