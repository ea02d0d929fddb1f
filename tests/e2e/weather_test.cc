// Bad input and bad weather, with the real programs.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/file.h"
#include "platform/unique_fd.h"
#include "tests/e2e/deployment_test.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

// What happened to the files of some directories, in order: "removed NAME", or "closed NAME" for
// one that was open for writing.
class DirectoryEvents {
 public:
  explicit DirectoryEvents(const std::vector<std::string>& directories)
      : fd_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    for (const std::string& directory : directories)
      EXPECT_GE(inotify_add_watch(fd_.get(), directory.c_str(), IN_DELETE | IN_CLOSE_WRITE), 0);
  }

  std::vector<std::string> Read() const {
    alignas(inotify_event) std::array<char, 4096> buffer;
    std::vector<std::string> seen;
    for (ssize_t size = 0; (size = read(fd_.get(), buffer.data(), buffer.size())) > 0;) {
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        const char* what = (event->mask & IN_DELETE) != 0 ? "removed" : "closed";
        seen.push_back(fmt::format("{} {}", what, event->len > 0 ? event->name : ""));
        at += static_cast<ssize_t>(sizeof(*event) + event->len);
      }
    }
    return seen;
  }

 private:
  platform::UniqueFd fd_;
};

class Weather : public DeploymentTest {
 protected:
  Finished Lodekeyd() {
    return RunProgram(
        {ProgramPath("lodekeyd"), "--config", agent_->directory / "agent.toml", "check-config"});
  }
  // TPM2_Clear, with no agent at the chip: resetCount begins at 0 again.
  void ClearTpm() {
    KillAgent();
    const Finished cleared = TpmTool({"tpm2_clear"});
    ASSERT_EQ(cleared.exit_code, 0) << cleared.err;
  }
};

TEST_F(Weather, WithoutATpmTheAgentSaysSoAndGoesOnTrying) {
  const TempDir directory;
  AgentHost host("127.0.0.1:1", "sha256:" + std::string(64, '0'),
                 "device:" + (directory / "no-such-tpm"));
  host.Start();
  ASSERT_TRUE(host.WaitForProblem("tpm-absent")) << host.daemon.Log();
  EXPECT_EQ(host.Run({"ek"}).exit_code, 6);
  EXPECT_EQ(host.Run({"status"}).exit_code, 3);
}

TEST_F(Weather, WithoutPermissionOnTheTpmTheUserIsToldWhatToGrantAndNothingElseIsNeeded) {
  // Root without the right to pass over modes: what any other user is.
  const std::vector<std::string> unprivileged = {"/usr/bin/setpriv",
                                                 "--bounding-set=-dac_override,-dac_read_search"};
  std::vector<std::string> probe = unprivileged;
  probe.push_back("/bin/true");
  const bool root = geteuid() == 0;
  if (root && RunProgram(probe).exit_code != 0) GTEST_SKIP() << "needs to drop capabilities";
  SetUpIssuer({}, /*ek_certificate=*/false);
  SetUpAgent(issuer_->address(), {.prefix = root ? unprivileged : std::vector<std::string>()});
  Allow();
  const std::string socket = tpm_->mux->tcti().substr(std::string("swtpm:path=").size());
  ASSERT_EQ(chmod(socket.c_str(), 0), 0);
  agent_->Start();
  ASSERT_TRUE(WaitForProblem("tpm-permission")) << agent_->daemon.Log();
  const nlohmann::json problem = agent_->Status()["problem"];
  EXPECT_NE(problem.value("message", "").find(socket), std::string::npos) << problem;
  EXPECT_NE(problem.value("advice", "").find("group tss"), std::string::npos) << problem;
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 3);
  for (const char* verb : {"ek", "enroll"}) {
    const Finished refused = agent_->Run({verb});
    EXPECT_EQ(refused.exit_code, 6) << verb;
    EXPECT_NE(refused.err.find("[tpm-permission]"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("group tss"), std::string::npos) << refused.err;
  }
  const Finished doctor = agent_->Run({"doctor"});
  EXPECT_EQ(doctor.exit_code, 1);
  EXPECT_NE(doctor.out.find("group tss"), std::string::npos) << doctor.out;

  ASSERT_EQ(chmod(socket.c_str(), 0600), 0);
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
}

TEST_F(Weather, AnEkThatIsNotInTheInventoryIsNamedWithTheCommandThatAllowsIt) {
  SetUpWith();
  agent_->Start();
  ASSERT_TRUE(WaitForProblem("ek-not-in-inventory")) << agent_->daemon.Log();
  EXPECT_EQ(agent_->Status()["problem"].value("advice", ""),
            "On the issuer: lodekey node allow " + ek_);
  EXPECT_EQ(agent_->Status().value("ek_hash", ""), ek_) << "for tools that allow it";
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 4);
  EXPECT_EQ(issuer_->Admin({"node", "show", ek_}).exit_code, 1)
      << "a stranger leaves no trace in the database";
  Allow();
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
}

TEST_F(Weather, AMissingEkCertificateIsInventoryAssuranceOrRefusedAsPolicySays) {
  SetUpWith({}, /*ek_certificate=*/false);
  Enrol();
  EXPECT_EQ(issuer_->AdminJson({"node", "show", ek_})["node"].value("assurance", ""), "inventory");
}

TEST_F(Weather, AMissingEkCertificateIsRefusedWhereHardwareIsRequired) {
  SetUpWith({"/admission/minimum_assurance=\"hardware\""}, /*ek_certificate=*/false);
  Allow();
  agent_->Start();
  EXPECT_TRUE(WaitForProblem("ek-certificate-absent")) << agent_->daemon.Log();
}

TEST_F(Weather, AnEkCertificateOfAnUnknownCaIsRefusedWhereHardwareIsRequired) {
  SetUpWith({"/admission/minimum_assurance=\"hardware\""});
  Enrol();
  EXPECT_EQ(issuer_->AdminJson({"node", "show", ek_})["node"].value("assurance", ""), "hardware");
  KillAgent();
  issuer_->daemon.Signal(SIGTERM);
  std::filesystem::remove(issuer_->directory / "roots/root.pem");
  std::filesystem::remove(issuer_->directory / "roots/issuer.pem");
  issuer_->Start();
  agent_->Reboot();
  ASSERT_TRUE(tpm_->swtpm->PowerCycle());
  agent_->Start();
  EXPECT_TRUE(WaitForProblem("ek-certificate-unknown-ca")) << agent_->daemon.Log();
}

TEST_F(Weather, AnIssuerThatIsAbsentAtTheStartIsWaitedFor) {
  SetUpWith();
  Allow();
  issuer_->daemon.Signal(SIGTERM);
  agent_->Start();
  ASSERT_TRUE(WaitForProblem("issuer-unreachable")) << agent_->daemon.Log();
  issuer_->Start();
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
}

TEST_F(Weather, AnIssuerThatGoesAwayLeavesTheIdentityAsItIs) {
  SetUpWith();
  Enrol();
  issuer_->daemon.Signal(SIGKILL);
  ASSERT_TRUE(WaitForProblem("issuer-unreachable")) << agent_->daemon.Log();
  const nlohmann::json status = agent_->Status();
  EXPECT_EQ(status.value("health", ""), "amber");
  EXPECT_TRUE(status["spiffe_id"].is_string());
  EXPECT_EQ(agent_->Run({"status"}).exit_code, 0);
  issuer_->Start();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

TEST_F(Weather, AnIssuerThatAnswersSlowlyIsWaitedForAndNothingIsDoneTwice) {
  SetUpWith();
  Enrol();
  issuer_->daemon.Signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds(4));
  issuer_->daemon.Signal(SIGCONT);
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

TEST_F(Weather, AgentsThatAreKilledAtAnyMomentEnrolInTheEnd) {
  SetUpWith();
  Allow();
  for (int delay_ms = 0; delay_ms <= 240; delay_ms += 20) {
    agent_->Start();
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    KillAgent();
  }
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
  EXPECT_EQ(issuer_->Admin({"audit", "verify"}).exit_code, 0);
}

TEST_F(Weather, IssuersThatAreKilledAtAnyMomentKeepTheirLogAndTheirNodes) {
  SetUpWith();
  Enrol();
  for (int delay_ms = 50; delay_ms <= 1000; delay_ms += 190) {
    issuer_->daemon.Signal(SIGKILL);
    issuer_->Start();
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  }
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
  const Finished verified = issuer_->Admin({"audit", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
}

TEST_F(Weather, ASecondAgentOnTheSameTpmIsRefusedAndTheFirstKeepsItsIdentity) {
  SetUpWith({}, /*ek_certificate=*/false);
  Enrol();
  const std::string serial = agent_->Status().value("serial", "");
  // The chip's few slots are for one agent at a time: no resource manager is in front.
  EXPECT_EQ(agent_->daemon.Signal(SIGTERM), 0);
  FreeTpmSlots();
  // It claims another register: in the first one's it would break that one's ledger.
  AgentHost second(issuer_->address(), issuer_->pin(), tpm_->MuxTcti(),
                   {.settings = {"tpm.ledger_pcr = \"15\""}});
  second.Start();
  ASSERT_TRUE(second.WaitForProblem("ak-changed-in-boot")) << second.daemon.Log();
  EXPECT_TRUE(second.Status()["spiffe_id"].is_null());
  EXPECT_EQ(second.daemon.Signal(SIGTERM), 0);
  EXPECT_EQ(Standing(), "active");
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(agent_->Status().value("serial", ""), serial);
}

TEST_F(Weather, ATpmThatIsClearedIsAcceptedOnceAndQuarantinedTheSecondTime) {
  SetUpWith();
  Enrol();
  ClearTpm();
  agent_->Start();
  ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  agent_->Reboot();
  ASSERT_TRUE(tpm_->swtpm->PowerCycle());
  agent_->Start();
  ASSERT_TRUE(Eventually([&] {
    return issuer_->AdminJson({"node", "show", ek_})["node"].value("reset_count", 0) > 0;
  })) << agent_->daemon.Log();
  ClearTpm();
  agent_->Start();
  ASSERT_TRUE(Eventually([&] { return Standing() == "quarantined"; })) << agent_->daemon.Log();
  EXPECT_NE(issuer_->daemon.Log().find("reset-count-decreased-again"), std::string::npos)
      << issuer_->daemon.Log();
  const Finished explained = issuer_->Admin({"explain", "--node", ek_});
  EXPECT_NE(explained.out.find("lodekey node remove " + ek_), std::string::npos) << explained.out;
}

TEST_F(Weather, AnInitThatFailsLeavesNothingThatTheNextOneStumblesOver) {
  IssuerHost other(nullptr);
  const Finished before = other.Check();
  EXPECT_EQ(before.exit_code, 1);
  EXPECT_NE(before.err.find("Run: lodekey-issuer init"), std::string::npos) << before.err;
  const std::string broken = other.directory / "roots/broken.pem";
  Must(WriteText(broken, "-----BEGIN CERTIFICATE-----\n"));
  const Finished failed = other.TryInit();
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_NE(failed.err.find("broken.pem"), std::string::npos) << failed.err;
  std::filesystem::remove(broken);
  other.Init();
  const Finished again = other.TryInit();
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("[already-initialised]"), std::string::npos) << again.err;
  other.Start();
  EXPECT_EQ(other.Admin({"audit", "verify"}).exit_code, 0);
}

// Another init, or an issuer, must not meet what is being removed.
TEST_F(Weather, AnInitThatFailsKeepsTheLockUntilEverythingIsTakenBack) {
  const IssuerHost other(nullptr);
  Must(WriteText(other.directory / "roots/broken.pem", "-----BEGIN CERTIFICATE-----\n"));
  for (const std::string& made : {other.state_dir(), other.state_dir() + "/ca"})
    Must(platform::MakeDirectory(made, 0700));
  const DirectoryEvents events({other.state_dir(), other.state_dir() + "/ca"});
  EXPECT_EQ(other.TryInit().exit_code, 1);
  const std::vector<std::string> seen = events.Read();
  const auto unlocked = std::ranges::find(seen, "closed lock");
  ASSERT_NE(unlocked, seen.end());
  for (const auto* file : {"root.key", "root.crt", "authority.key", "audit.key", "challenge.key",
                           "issuer.db", "audit.jsonl"}) {
    EXPECT_NE(std::find(seen.begin(), unlocked, fmt::format("removed {}", file)), unlocked) << file;
  }
}

TEST_F(Weather, AnUnknownConfigurationKeyIsNamedAndNothingStarts) {
  SetUpWith();
  std::ofstream(agent_->directory / "agent.toml", std::ios::app) << "tmp.tcti = \"x\"\n";
  const Finished checked = Lodekeyd();
  EXPECT_EQ(checked.exit_code, 2);
  EXPECT_NE(checked.err.find("tmp.tcti"), std::string::npos) << checked.err;
}

TEST_F(Weather, ADamagedStateFileIsNamedAndNotOverwritten) {
  SetUpWith();
  Enrol();
  agent_->daemon.Signal(SIGTERM);
  const std::string path = agent_->directory / "state/agent.state";
  Must(WriteText(path, "not a state"));
  const Finished started =
      RunProgram({ProgramPath("lodekeyd"), "--config", agent_->directory / "agent.toml"}, 20);
  EXPECT_EQ(started.exit_code, 4);
  EXPECT_NE(started.err.find("state-corrupt"), std::string::npos) << started.err;
  EXPECT_NE(started.err.find(path), std::string::npos) << started.err;
  EXPECT_EQ(ReadText(path), "not a state");
}

TEST_F(Weather, AStateFileOfALaterVersionIsLeftAlone) {
  SetUpWith();
  Enrol();
  agent_->daemon.Signal(SIGTERM);
  Must(WriteText(agent_->directory / "state/agent.state", "\x08\x63"));  // version 99
  const Finished started =
      RunProgram({ProgramPath("lodekeyd"), "--config", agent_->directory / "agent.toml"}, 20);
  EXPECT_NE(started.exit_code, 0);
  EXPECT_NE(started.err.find("state-newer"), std::string::npos) << started.err;
}

TEST_F(Weather, ADamagedDatabaseIsNamedAndNothingIsServed) {
  SetUpWith();
  issuer_->daemon.Signal(SIGTERM);
  Must(WriteText(issuer_->state_dir() + "/issuer.db", std::string(8192, 'x')));
  issuer_->daemon.Start();
  EXPECT_NE(issuer_->daemon.Wait(), 0);
  EXPECT_NE(issuer_->daemon.Log().find("database-corrupt"), std::string::npos)
      << issuer_->daemon.Log();
}

TEST_F(Weather, AChangedAuditLogIsNoticedByTheIssuersCheck) {
  SetUpWith();
  Enrol();
  issuer_->daemon.Signal(SIGTERM);
  EXPECT_EQ(issuer_->Check().exit_code, 0) << issuer_->Check().err;
  const std::string text = ReadText(issuer_->audit_log());
  std::string changed = text;
  changed.replace(changed.find("node.allowed"), 12, "node.removed");
  const std::string without =
      text.substr(0, text.find('\n') + 1) + text.substr(text.find('\n', text.find('\n') + 1) + 1);
  for (const auto& [content, name] :
       {std::pair(changed, "audit-line-changed"), std::pair(without, "audit-line-missing")}) {
    Must(WriteText(issuer_->audit_log(), content));
    const Finished check = issuer_->Check();
    EXPECT_EQ(check.exit_code, 1);
    EXPECT_NE(check.err.find(name), std::string::npos) << check.err;
  }
}

TEST_F(Weather, ATruncatedAuditLogIsNoticedAtTheNextStart) {
  SetUpWith();
  Enrol();
  agent_->daemon.Signal(SIGTERM);
  issuer_->daemon.Signal(SIGTERM);
  const std::string text = ReadText(issuer_->audit_log());
  Must(WriteText(issuer_->audit_log(), text.substr(0, text.find('\n') + 1)));
  issuer_->daemon.Start();
  EXPECT_NE(issuer_->daemon.Wait(), 0);
  EXPECT_NE(issuer_->daemon.Log().find("audit-truncated"), std::string::npos)
      << issuer_->daemon.Log();
}

}  // namespace
}  // namespace lodekey::test
