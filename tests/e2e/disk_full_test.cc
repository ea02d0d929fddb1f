// A full disk under the agent and under the issuer, with the real programs.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/e2e/small_disk.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

class FullDisk : public DeploymentTest {
 protected:
  void SetUp() override {
    if (!EnterPrivateMounts()) GTEST_SKIP() << "needs to mount a tmpfs (root)";
    SetUpIssuer({}, /*ek_certificate=*/false);
    SetUpAgent(issuer_->address());
  }
  bool IsHealthy() { return agent_->Status().value("health", "") == "green"; }
  std::string Problem() {
    const nlohmann::json problem = agent_->Status()["problem"];
    return problem.is_object() ? problem.value("message", "") : "";
  }
  // Files of a directory, without the disk's own; "." in front is a temporary one.
  static std::vector<std::string> FilesIn(const std::string& directory) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().filename() != "used") names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
};

TEST_F(FullDisk, AnAgentWithoutRoomForItsKeySaysSoAndEnrolsWhenThereIs) {
  const SmallDisk state(agent_->directory / "state");
  state.Fill();
  Allow();
  agent_->Start();
  ASSERT_TRUE(WaitForProblem("disk-full")) << agent_->daemon.Log();
  const nlohmann::json problem = agent_->Status()["problem"];
  EXPECT_NE(problem.value("message", "").find(agent_->directory / "state"), std::string::npos)
      << problem;
  EXPECT_NE(problem.value("advice", ""), "") << problem;
  EXPECT_EQ(FilesIn(agent_->directory / "state"), std::vector<std::string>{"lock"});
  state.Free();
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
}

TEST_F(FullDisk, AnIdentityThatCannotBeStoredIsNotUsedAndAnotherIsGotWhenThereIsRoom) {
  const SmallDisk run(agent_->directory / "run");
  // The key, the ledger, and the state of the boot, which is replaced as a whole: room for these,
  // and none for the state with a certificate.
  run.Fill(3);
  Allow();
  agent_->Start();
  ASSERT_TRUE(WaitForProblem("disk-full")) << agent_->daemon.Log();
  ASSERT_TRUE(Eventually([&] { return Problem().find("store the identity") != std::string::npos; }))
      << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active") << "the issuer has enrolled it";
  EXPECT_TRUE(agent_->Status()["spiffe_id"].is_null());
  run.Free();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

TEST_F(FullDisk, AnEnrolledAgentKeepsItsIdentityAndItsFilesAndGoesOnWhenThereIsRoom) {
  const SmallDisk state(agent_->directory / "state");
  const SmallDisk run(agent_->directory / "run");
  Enrol();
  state.Fill();
  run.Fill();
  ASSERT_TRUE(WaitForProblem("disk-full")) << agent_->daemon.Log();
  EXPECT_EQ(agent_->Status().value("health", ""), "amber");
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 0);
  // What was stored last is whole: another agent can begin with it.
  agent_->daemon.Signal(SIGKILL);
  FreeTpmSlots();
  state.Free();
  run.Free();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_TRUE(Eventually([&] { return IsHealthy(); })) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

TEST_F(FullDisk, AnIssuerWithoutRoomRecordsNothingByHalvesAndGoesOnWhenThereIs) {
  issuer_->daemon.Signal(SIGTERM);
  const SmallDisk data(issuer_->state_dir() + "-small");
  // The issuer's data moves to the small disk.
  std::filesystem::copy(issuer_->state_dir(), issuer_->state_dir() + "-small",
                        std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(issuer_->state_dir());
  std::filesystem::create_directory_symlink(issuer_->state_dir() + "-small", issuer_->state_dir());
  issuer_->Start();
  Enrol();
  data.Fill();
  // Until what room SQLite had kept is used up.
  Finished allowed;
  size_t count = 0;
  ASSERT_TRUE(Eventually([&] {
    allowed = issuer_->Admin({"node", "allow", fmt::format("{:064x}", ++count)});
    return allowed.exit_code != 0;
  }));
  EXPECT_NE(allowed.err.find("store-unavailable"), std::string::npos) << allowed.err;
  ASSERT_TRUE(WaitForProblem("store-unavailable")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->Status()["spiffe_id"].is_string());
  EXPECT_EQ(issuer_->Admin({"audit", "verify"}).exit_code, 0);
  EXPECT_NE(issuer_->Admin({"node", "show", fmt::format("{:064x}", count)}).exit_code, 0);

  data.Free();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log() << issuer_->daemon.Log();
  EXPECT_TRUE(Eventually([&] { return IsHealthy(); })) << agent_->daemon.Log();
  EXPECT_EQ(issuer_->Admin({"node", "allow", fmt::format("{:064x}", count)}).exit_code, 0);
  EXPECT_EQ(issuer_->Admin({"audit", "verify"}).exit_code, 0);
}

TEST_F(FullDisk, AnInitThatRunsOutOfRoomLeavesNoHalfIssuerBehind) {
  IssuerHost other(nullptr);
  const SmallDisk data(other.state_dir());
  for (const size_t blocks : {0U, 2U, 5U, 8U, 12U, 20U}) {
    data.Fill(blocks);
    const Finished made = other.TryInit();
    EXPECT_EQ(made.exit_code, 1) << blocks << " blocks of room: " << made.out;
    const bool named = made.err.find("[disk-full]") != std::string::npos ||
                       made.err.find("[store-unavailable]") != std::string::npos;
    EXPECT_TRUE(named) << blocks << " blocks of room: " << made.err;
    EXPECT_TRUE(FilesIn(other.state_dir() + "/ca").empty());
    data.Free();
  }
  other.Init();
  other.Start();
  EXPECT_EQ(other.Admin({"audit", "verify"}).exit_code, 0);
}

}  // namespace
}  // namespace lodekey::test
