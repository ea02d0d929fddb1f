// What becomes of a node whose enrolment is refused, and how it comes back.
#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "issuer/enroller.h"
#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

using issuer::Standing;

// --- Refusals and what becomes of the node ---

TEST_F(EnrollerTest, RefusesAHostWithoutReferencesUntilItsValuesAreApproved) {
  issuer.config.appraisal.require_references = true;
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

  Must(issuer.inventory->ApprovePcrs(host.id(), 0, false, "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
}

// The register of the ledger holds this host's claim; a group shares the others.
TEST_F(EnrollerTest, ApprovesForAGroupWhatItsFirstHostShowedInVain) {
  issuer.config.appraisal.require_references = true;
  Host first;
  Host second;
  Allow(first);
  Allow(second);
  EXPECT_EQ(Answer(issuer.Enrol(first)), "NODE_REFUSED references-absent");
  Must(issuer.inventory->ApprovePcrs(first.id(), 0, false, "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(first)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Enrol(second)), "ACCEPTED");
}

TEST_F(EnrollerTest, LeavesAnEnrolledNodeAloneWhenAMessageIsNoEvidence) {
  Host host;
  issuer.Admit(host);
  const auto enrolment = issuer.Record(host).enrolment;
  EXPECT_EQ(Answer(issuer.Enrol(
                host, {.quote = {.signature = [](Bytes& signature) { signature.back() ^= 1; }}})),
            "MESSAGE_REFUSED signature-invalid");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kActive);
  EXPECT_EQ(issuer.Record(host).enrolment, enrolment);
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
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

TEST_F(EnrollerTest, RefusesAnotherAkInTheSameBootAndLeavesTheNodeAlone) {
  Host host(RsaChip(31));
  issuer.Admit(host);
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
  const issuer::NodeRecord record = issuer.Record(host);
  ASSERT_TRUE(record.pending_ak);
  EXPECT_EQ(record.pending_ak->ak_name, other.tpm().ak().area.name());
  // Otherwise whoever may use the TPM could take the identity from the node.
  EXPECT_EQ(record.standing, Standing::kActive);
  EXPECT_EQ(record.enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, TakesAnotherAkInTheSameBootOnceItIsApproved) {
  issuer.config.appraisal.accept_touched_ledger = true;
  Host host(RsaChip(31));
  issuer.Admit(host);
  host.LoseState();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-changed-in-boot");
  const auto approved = Must(issuer.inventory->ApproveAk(host.id(), "uid 0"));
  EXPECT_TRUE(approved.changed);
  EXPECT_EQ(approved.record.approved_ak, host.tpm().ak().area.name());
  // The approval takes effect with the next enrolment, not before.
  EXPECT_NE(issuer.Record(host).enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(issuer.Record(host).enrolment->ak_public, host.tpm().ak().area.tpm2b());
  EXPECT_TRUE(issuer.Record(host).approved_ak.empty());
  EXPECT_FALSE(issuer.Record(host).pending_ak);
}

TEST_F(EnrollerTest, TakesAnotherAkInALaterBootOnceItIsApproved) {
  Host host(RsaChip(31));
  issuer.Admit(host);
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
  Must(issuer.inventory->ApproveAk(host.id(), "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

TEST_F(EnrollerTest, DoesNotTakeOneAkForAnApprovedOther) {
  Host host(RsaChip(31));
  issuer.Admit(host);
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
  Must(issuer.inventory->ApproveAk(host.id(), "uid 0"));
  host.LoseState();
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-not-approved");
}

TEST_F(EnrollerTest, TakesAnotherAkInALaterBootWherePolicySaysSo) {
  issuer.config.appraisal.accept_new_ak = true;
  Host host(RsaChip(31));
  issuer.Admit(host);
  host.LoseState();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "MESSAGE_REFUSED ak-changed-in-boot");
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

// --- Enrolling again ---

TEST_F(EnrollerTest, EnrolsAgainAfterAReboot) {
  Host host;
  issuer.Admit(host);
  host.Reboot();
  EXPECT_EQ(Answer(issuer.Attest(host)), "ENROL_AGAIN rebooted");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Attest(host)), "ACCEPTED");
}

// Enrolling again in the same boot must not make a change of that boot disappear.
TEST_F(EnrollerTest, KeepsTheBootsFirstValuesWhenAHostEnrolsAgainInIt) {
  Host host;
  issuer.Admit(host);
  host.Extend(7);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(issuer.Record(host).standing, Standing::kRefused);
  EXPECT_EQ(Answer(issuer.Enrol(host)), "NODE_REFUSED pcr-changed-in-boot");
  Must(issuer.inventory->ApprovePcrs(host.id(), 1U << 7, false, "uid 0"));
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED");
}

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
