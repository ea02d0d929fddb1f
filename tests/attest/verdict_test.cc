#include "attest/verdict.h"

#include <gtest/gtest.h>

#include "tests/attest/scene.h"

namespace lodekey::attest {
namespace {

using test::Scene;

TEST(Verdict, LeavesFindingsToThePolicy) {
  Scene scene;
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.message.boot_log_digest = Bytes(32, 1);
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(verdict.findings(), verdict.failed());
  EXPECT_EQ(test::Codes(verdict),
            (std::vector<std::string>{"boot-log-changed", "pcr-changed-in-boot"}));
  EXPECT_EQ(verdict.outcome(), Outcome::kAccepted);
  EXPECT_TRUE(verdict.decidable());
}

TEST(Verdict, IsAsBadAsTheWorstRuleThatNoPolicyWaives) {
  Scene scene;
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.clock.clock = 0;  // a clone is possible
  const Verdict verdict = scene.Attest();
  EXPECT_EQ(test::Codes(verdict),
            (std::vector<std::string>{"clock-went-back", "pcr-changed-in-boot"}));
  EXPECT_EQ(verdict.findings().size(), 1U);
  EXPECT_EQ(verdict.outcome(), Outcome::kNodeQuarantined);
  EXPECT_FALSE(verdict.decidable());
}

TEST(Verdict, ProvesNothingWhenTheMessageIsRefused) {
  Scene scene;
  EXPECT_TRUE(scene.Attest().proved());
  scene.quote.magic = 0;
  const Verdict verdict = scene.Attest();
  EXPECT_FALSE(verdict.proved());
  EXPECT_TRUE(verdict.facts().empty());
}

TEST(Verdict, ProvesWhatWasSignedEvenWhenTheNodeIsRefused) {
  Scene scene;
  scene.SetRegister(4, Bytes(32, 0xee));
  const Verdict verdict = scene.Attest();
  ASSERT_EQ(test::Strictest(verdict), Outcome::kNodeRefused);
  ASSERT_TRUE(verdict.proved());
  EXPECT_EQ(verdict.proved()->pcrs, scene.registers);
  EXPECT_EQ(verdict.proved()->clock, scene.clock);
  EXPECT_EQ(verdict.proved()->firmware_version, scene.firmware_version);
}

TEST(Outcome, IsOrderedFromWeakToGrave) {
  EXPECT_LT(Outcome::kAccepted, Outcome::kMessageRefused);
  EXPECT_LT(Outcome::kMessageRefused, Outcome::kEnrolAgain);
  EXPECT_LT(Outcome::kEnrolAgain, Outcome::kNodeRefused);
  EXPECT_LT(Outcome::kNodeRefused, Outcome::kNodeQuarantined);
}

TEST(Outcome, HasStableNames) {
  EXPECT_EQ(OutcomeName(Outcome::kAccepted), "accepted");
  EXPECT_EQ(OutcomeName(Outcome::kMessageRefused), "message-refused");
  EXPECT_EQ(OutcomeName(Outcome::kEnrolAgain), "enrol-again");
  EXPECT_EQ(OutcomeName(Outcome::kNodeRefused), "refused");
  EXPECT_EQ(OutcomeName(Outcome::kNodeQuarantined), "quarantined");
}

TEST(Grade, HasStableNames) {
  EXPECT_EQ(GradeName(Grade::kProved), "proved");
  EXPECT_EQ(GradeName(Grade::kKernelMeasured), "kernel-measured");
  EXPECT_EQ(GradeName(Grade::kRecorded), "recorded");
  EXPECT_EQ(GradeName(Grade::kObserved), "observed");
  EXPECT_EQ(GradeName(Grade::kDeclared), "declared");
}

}  // namespace
}  // namespace lodekey::attest
