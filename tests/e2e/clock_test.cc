// Hosts whose wall clock is an hour wrong, with the real programs. libfaketime shifts the clock of
// everything that runs on the host; the issuer's stays right.
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"

namespace lodekey::test {
namespace {

// Debian's multiarch folder is named for the machine.
std::string FaketimeLibrary() {
  for (const auto& folder : std::filesystem::directory_iterator("/usr/lib")) {
    const auto library = folder.path() / "faketime/libfaketimeMT.so.1";
    if (std::filesystem::exists(library)) return library;
  }
  return "";
}

// What shifts the wall clock by `shift` ("+1h") and leaves the others.
std::vector<std::string> ShiftedClock(const std::string& library, const std::string& shift) {
  return {"/usr/bin/env", "LD_PRELOAD=" + library, "FAKETIME=" + shift,
          "FAKETIME_DONT_FAKE_MONOTONIC=1",
          // An address sanitizer wants to be the first library.
          "ASAN_OPTIONS=verify_asan_link_order=0"};
}

class WrongClock : public DeploymentTest {
 protected:
  void SetUp() override {
    library_ = FaketimeLibrary();
    if (library_.empty()) GTEST_SKIP() << "needs libfaketime (Debian: faketime)";
    SetUpIssuer({"ca.node_ttl=5s"}, /*ek_certificate=*/false);
  }
  void SetUpShiftedAgent(const std::string& shift) {
    SetUpAgent(issuer_->address(), {.prefix = ShiftedClock(library_, shift)});
  }
  std::string Serial() { return agent_->Status().value("serial", ""); }

 private:
  std::string library_;
};

class ClockAnHourOff : public WrongClock, public testing::WithParamInterface<const char*> {};

TEST_F(WrongClock, ThatBeginsLongBeforeTheReleaseKeepsNoHostFromEnrolling) {
  SetUpShiftedAgent("-18000d");
  Enrol();
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 0);
}

TEST_P(ClockAnHourOff, EnrolsAttestsAndRenewsByTheIssuersTime) {
  SetUpShiftedAgent(GetParam());
  Enrol();
  const std::string first = Serial();
  EXPECT_TRUE(Eventually([&] { return !Serial().empty() && Serial() != first; }))
      << agent_->daemon.Log();
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 0) << "the command goes by the agent's time";
  EXPECT_EQ(agent_->Status().value("health", ""), "green");
  EXPECT_EQ(Standing(), "active");
}

TEST_P(ClockAnHourOff, IsToldByDoctorAndARestartedAgentKeepsTheIssuersTime) {
  SetUpShiftedAgent(GetParam());
  Enrol();
  EXPECT_EQ(agent_->daemon.Signal(SIGTERM), 0);
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  const nlohmann::json checks = agent_->Json({"doctor"})["checks"];
  const auto clock =
      std::ranges::find(checks, "clock", [](const auto& check) { return check["id"]; });
  ASSERT_NE(clock, checks.end());
  EXPECT_EQ(clock->value("level", ""), "warn");
  const std::string direction = GetParam()[0] == '-' ? "behind" : "ahead";
  EXPECT_NE(clock->value("what", "").find(direction), std::string::npos) << *clock;
}

INSTANTIATE_TEST_SUITE_P(Host, ClockAnHourOff, testing::Values("-1h", "+1h"),
                         [](const auto& shift) {
                           return std::string(shift.param[0] == '-' ? "Behind" : "Ahead");
                         });

}  // namespace
}  // namespace lodekey::test
