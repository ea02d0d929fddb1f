// The main job, with the real programs: enrolment, re-attestation, refusal, withdrawal.
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

class EndToEnd : public DeploymentTest {};

TEST_F(EndToEnd, EnrolsAttestsLosesTheIdentityWhenAPcrChangesAndGetsItBackWhenApproved) {
  SetUpWith();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_EQ(agent_->Status().value("spiffe_id", ""), "spiffe://e2e.example/node/" + ek_);
  EXPECT_EQ(Standing(), "active");
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();

  ASSERT_EQ(issuer_->Admin({"node", "approve-pcrs", ek_}).exit_code, 0);
  ExtendPcr(8);
  ASSERT_TRUE(agent_->WaitForPhase("refused")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->Status()["spiffe_id"].is_null());
  EXPECT_EQ(Standing(), "refused");
  const Finished explained = agent_->Run({"explain"});
  EXPECT_NE(explained.out.find("PCR 8"), std::string::npos) << explained.out;
  EXPECT_NE(explained.out.find("approve-pcrs"), std::string::npos) << explained.out;
  EXPECT_EQ(agent_->Run({"attest"}).exit_code, 4);

  ASSERT_EQ(issuer_->Admin({"node", "approve-pcrs", ek_, "--pcr", "8"}).exit_code, 0);
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
  EXPECT_EQ(issuer_->Admin({"audit", "verify"}).exit_code, 0);
}

TEST_F(EndToEnd, KeepsNoPrivateKeyAndNoSecretInTheConfigurationOrTheLogs) {
  SetUpWith();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(agent_->directory.path())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    const std::string text = ReadText(entry.path());
    EXPECT_EQ(text.find("PRIVATE KEY"), std::string::npos) << entry.path();
    EXPECT_EQ(text.find("engine:"), std::string::npos) << entry.path();
  }
  EXPECT_GE(files, 4u);
}

TEST_F(EndToEnd, EnrolIsIdempotentAndUnenrolKeepsTheKeyForTheSameBoot) {
  SetUpWith();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled"));
  EXPECT_EQ(agent_->Json({"enroll"}).value("changed", true), false);
  EXPECT_EQ(agent_->Json({"unenroll"}).value("changed", false), true);
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 3);
  EXPECT_EQ(agent_->Json({"unenroll"}).value("changed", true), false);
  const nlohmann::json again = agent_->Json({"enroll"});
  EXPECT_EQ(again.value("changed", false), true) << agent_->daemon.Log();
  EXPECT_EQ(agent_->Status().value("phase", ""), "enrolled");
}

TEST_F(EndToEnd, ARestartedAgentHasItsIdentityWithoutEnrollingAgain) {
  SetUpWith();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled"));
  const std::string serial = agent_->Status().value("serial", "");
  EXPECT_EQ(agent_->daemon.Signal(SIGTERM), 0);
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_EQ(agent_->Status().value("serial", "x"), serial);
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
}

TEST_F(EndToEnd, ARebootedHostEnrolsAgainByItself) {
  SetUpWith();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled"));
  const std::string serial = agent_->Status().value("serial", "");
  agent_->Reboot();
  ASSERT_TRUE(tpm_->swtpm->PowerCycle());
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
  EXPECT_NE(agent_->Status().value("serial", ""), serial);
  EXPECT_EQ(Standing(), "active");
}

TEST_F(EndToEnd, AHostThatLostItsAttestationKeyComesBackInTheSameBootOnceTheNewOneIsApproved) {
  SetUpWith();
  Enrol();
  ASSERT_EQ(agent_->daemon.Signal(SIGTERM), 0);
  ASSERT_TRUE(std::filesystem::remove(agent_->directory / "state/ak.key"));
  agent_->Start();
  ASSERT_TRUE(WaitForProblem("ak-changed-in-boot")) << agent_->daemon.Log();
  const auto node = issuer_->AdminJson({"node", "show", ek_})["node"];
  const std::string name = node.value("pending_ak_name", "");
  const std::string command = "lodekey node approve-ak " + ek_ + " --ak " + name;
  EXPECT_NE(node["last_verdict"]["failed"][0].value("accept", "").find(command), std::string::npos)
      << node;

  const Finished unseen = issuer_->Admin(
      {"node", "approve-ak", ek_, "--ak", node.value("ak_name", "").replace(4, 4, "0000")});
  EXPECT_EQ(unseen.exit_code, 1);
  EXPECT_NE(unseen.err.find("ak-changed"), std::string::npos) << unseen.err;
  EXPECT_EQ(issuer_->AdminJson({"node", "approve-ak", ek_, "--ak", name}).value("changed", false),
            true);
  EXPECT_EQ(issuer_->AdminJson({"node", "approve-ak", ek_, "--ak", name}).value("changed", true),
            false);
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
}

TEST_F(EndToEnd, ARemovedNodeLosesItsIdentityAndComesBackWhenAllowed) {
  SetUpWith();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled"));
  ASSERT_EQ(issuer_->Admin({"node", "remove", ek_}).exit_code, 0);
  ASSERT_TRUE(agent_->WaitForPhase("refused")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->Status()["spiffe_id"].is_null());
  EXPECT_NE(agent_->Status()["problem"].value("advice", "").find("lodekey node allow " + ek_),
            std::string::npos);
  const std::string log = issuer_->daemon.Log();
  EXPECT_NE(log.find("an operator changed a node node=" + ek_ + " verb=remove"), std::string::npos)
      << log;
  EXPECT_NE(log.find("a node was accepted and has an identity node=" + ek_), std::string::npos)
      << log;
  Allow();
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
}

TEST_F(EndToEnd, TheMeasurementLogsTravelAndAreStoredOnce) {
  tpm_ = TestTpm::Create();
  ASSERT_NE(tpm_, nullptr);
  issuer_ = std::make_unique<IssuerHost>(tpm_->vendor.get());
  issuer_->Init();
  issuer_->Start();
  agent_ = std::make_unique<AgentHost>(issuer_->address(), issuer_->pin(), tpm_->MuxTcti());
  ASSERT_TRUE(WriteText(agent_->directory / "boot_log", "a boot log"));
  ASSERT_TRUE(WriteText(agent_->directory / "ima_log", "an IMA list"));
  ek_ = agent_->EkHash();
  Allow();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  const nlohmann::json shown = issuer_->AdminJson({"node", "show", ek_})["node"];
  EXPECT_EQ(shown.value("ima_bytes", 0), 11);
  EXPECT_EQ(shown.value("boot_log_digest", "").size(), 64u);
}

}  // namespace
}  // namespace lodekey::test
