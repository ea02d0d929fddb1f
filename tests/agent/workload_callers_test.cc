// Who calls the Workload API, over its real socket: processes that exit, execute something else,
// hand their socket on, or show another face than they have.
#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "tests/agent/raw_call.h"
#include "tests/agent/workload_rig.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using platform::PeerMode;
using platform::UniqueFd;
using What = Heard::What;

constexpr int kDenied = 7;  // gRPC's PERMISSION_DENIED
constexpr uid_t kUser = 51001;
constexpr uid_t kOther = 51002;

Heard Message(const std::string& ids) { return {.what = What::kMessage, .text = ids}; }
Heard Refusal(const std::string& name) {
  return {.what = What::kEnd, .status = kDenied, .text = name};
}

void Become(uid_t uid) {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 ||
      ::setresuid(uid, uid, uid) != 0)
    ::_exit(125);
}

std::string ExecutableOf(pid_t pid) {
  std::error_code ignored;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), ignored);
}

// In both ways of pinning a caller.
class WorkloadCallersTest : public testing::TestWithParam<PeerMode> {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
    rig_.emplace(GetParam());
    rig_->SetEntries({WorkloadRig::EntryOf(kUser), WorkloadRig::EntryOf(kOther)});
    // Where every user can execute it.
    program_ = rig_->file("program");
    std::filesystem::copy_file(ProgramPath("lodekey-test-connect"), program_);
    ::chmod(program_.c_str(), 0755);
  }

  static RawCall::Caller User(uid_t uid = kUser) {
    return {.before = [uid] { Become(uid); }};
  }
  RawCall::Caller Running(const std::string& program, uid_t uid = kUser) const {
    return {.before = [uid] { Become(uid); }, .program = program};
  }
  // Entries for kUser that ask for more than the user.
  void SetEntry(const std::string& selector) {
    rig_->SetEntries(
        {WorkloadRig::Entry("program", {fmt::format("unix:uid:{}", kUser), selector})});
  }
  std::string Digest(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return ToHex(*Must(rig_->digests.Of(file)));
  }
  // Nothing is left of who has gone.
  bool Forgotten() {
    return Eventually(
        [&] { return rig_->server->connections() == 0 && rig_->server->users() == 0; });
  }
  static void AwaitProgram(const RawCall& call, const std::string& path) {
    EXPECT_TRUE(Eventually([&] { return ExecutableOf(call.pid()) == path; }));
  }

  std::optional<WorkloadRig> rig_;
  std::string program_;
};

TEST_P(WorkloadCallersTest, ServesEachUserItsOwnIdentityAndNobodyElse) {
  RawCall user(rig_->socket(), User()), other(rig_->socket(), User(kOther)),
      stranger(rig_->socket(), User(51003));
  EXPECT_EQ(user.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
  EXPECT_EQ(other.AskAndHear(), Message(WorkloadRig::IdOf(kOther)));
  EXPECT_EQ(stranger.AskAndHear(), Refusal("no-identity"));
}

TEST_P(WorkloadCallersTest, PushesARenewalToWhoIsStillTheSame) {
  RawCall user(rig_->socket(), User());
  EXPECT_EQ(user.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
  rig_->Renew();
  EXPECT_EQ(user.Hear(), Message(WorkloadRig::IdOf(kUser)));
}

TEST_P(WorkloadCallersTest, AnswersNobodyForACallerThatExitsBetweenConnectAndAnswer) {
  for (int i = 0; i < 20; ++i) {
    RawCall call(rig_->socket(), User());
    call.Kill();
    call.Ask();
    const Heard heard = call.Hear();
    EXPECT_TRUE(heard.what == What::kClosed || heard == Refusal("peer-gone") ||
                heard == Refusal("caller-unknown"))
        << heard.text;
  }
  EXPECT_TRUE(Forgotten());
}

TEST_P(WorkloadCallersTest, EndsTheStreamOfACallerWhoseChildKeepsTheSocket) {
  // The test holds the socket like a child that inherited it, and would go on reading.
  RawCall call(rig_->socket(), User());
  EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
  call.Kill();
  rig_->Renew();
  EXPECT_NE(call.Hear().what, What::kMessage);
  EXPECT_TRUE(Forgotten());
}

TEST_P(WorkloadCallersTest, RefusesAnInheritedSocketThatIsAskedOnlyAfterwards) {
  RawCall call(rig_->socket(), User());
  ASSERT_TRUE(Eventually([&] { return rig_->server->connections() == 1; }));
  call.Kill();
  EXPECT_TRUE(Forgotten());
  call.Ask();
  EXPECT_EQ(call.Hear().what, What::kClosed);
}

TEST_P(WorkloadCallersTest, EndsTheStreamOfACallerThatExecutesAnotherProgram) {
  auto caller = User();
  caller.after = [] { ::execl("/bin/sleep", "sleep", "600", nullptr); };
  RawCall call(rig_->socket(), caller);
  EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
  call.Go();
  AwaitProgram(call, std::filesystem::canonical("/bin/sleep"));
  rig_->Renew();
  EXPECT_EQ(call.Hear(), Refusal("peer-changed"));
}

TEST_P(WorkloadCallersTest, RefusesACallerThatExecutesAnotherProgramBeforeItAsks) {
  auto caller = User();
  caller.after = [] { ::execl("/bin/sleep", "sleep", "600", nullptr); };
  RawCall call(rig_->socket(), caller);
  ASSERT_TRUE(Eventually([&] { return rig_->server->connections() == 1; }));
  call.Go();
  AwaitProgram(call, std::filesystem::canonical("/bin/sleep"));
  EXPECT_EQ(call.AskAndHear(), Refusal("peer-changed"));
}

TEST_P(WorkloadCallersTest, TakesASetuidProgramForTheUserThatItRunsAs) {
  ::chown(program_.c_str(), kOther, kOther);
  ::chmod(program_.c_str(), 04755);
  RawCall call(rig_->socket(), Running(program_));
  ASSERT_FALSE(call.failed());
  EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf(kOther)))
      << "the kernel's word: SO_PEERCRED is the effective user";
}

TEST_P(WorkloadCallersTest, EndsTheStreamOfACallerThatExecutesASetuidProgram) {
  ::chown(program_.c_str(), kOther, kOther);
  ::chmod(program_.c_str(), 04755);
  auto caller = User();
  caller.after = [this] { ::execl(program_.c_str(), "program", "0", "/nowhere", nullptr); };
  // The program would end at once without a place to connect to: that is a change, too.
  RawCall call(rig_->socket(), caller);
  EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
  call.Go();
  call.Wait();
  rig_->Renew();
  EXPECT_NE(call.Hear().what, What::kMessage);
}

TEST_P(WorkloadCallersTest, GivesByPathWhatTheProgramAtThatPathAsksFor) {
  SetEntry("unix:path:" + program_);
  RawCall call(rig_->socket(), Running(program_));
  EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf("program")));
}

TEST_P(WorkloadCallersTest, GivesNothingByPathToADeletedOrReplacedProgram) {
  SetEntry("unix:path:" + program_);
  RawCall call(rig_->socket(), Running(program_));
  std::filesystem::remove(program_);
  EXPECT_EQ(call.AskAndHear(), Refusal("no-identity"));
  std::filesystem::copy_file(ProgramPath("lodekey-test-connect"), program_);
  RawCall again(rig_->socket(), {.before = [] { Become(kUser); }, .program = program_});
  std::filesystem::rename(program_, program_ + ".old");
  std::filesystem::copy_file("/bin/true", program_);
  EXPECT_EQ(again.AskAndHear(), Refusal("no-identity"));
}

TEST_P(WorkloadCallersTest, GivesNothingByPathToWhatIsMountedThereInAnotherMountNamespace) {
  const std::string victim = rig_->file("victim");
  std::filesystem::copy_file("/bin/true", victim);
  SetEntry("unix:path:" + victim);
  auto caller = Running(victim);
  caller.before = [&] {
    if (!platform::EnterPrivateMounts() ||
        ::mount(program_.c_str(), victim.c_str(), nullptr, MS_BIND, nullptr) != 0)
      ::_exit(125);
    Become(kUser);
  };
  RawCall call(rig_->socket(), caller);
  ASSERT_FALSE(call.failed());
  EXPECT_EQ(call.AskAndHear(), Refusal("no-identity"));
}

TEST_P(WorkloadCallersTest, JudgesAProgramInMemoryByItsBytesAlone) {
  const UniqueFd memory(::memfd_create("program", MFD_CLOEXEC));
  std::ifstream source(program_, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(source), {});
  ASSERT_EQ(::write(memory.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  const RawCall::Caller caller{.before = [] { Become(kUser); }, .program_fd = memory.get()};
  SetEntry("unix:path:" + program_);
  {
    RawCall call(rig_->socket(), caller);
    ASSERT_FALSE(call.failed());
    EXPECT_EQ(call.AskAndHear(), Refusal("no-identity"));
  }
  SetEntry("unix:sha256:" + Digest(program_));
  RawCall call(rig_->socket(), caller);
  EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf("program")));
}

TEST_P(WorkloadCallersTest, GivesByDigestToTheVeryBytesAndNoOthers) {
  SetEntry("unix:sha256:" + Digest(program_));
  RawCall same(rig_->socket(), Running(program_));
  EXPECT_EQ(same.AskAndHear(), Message(WorkloadRig::IdOf("program")));
  const std::string longer = rig_->file("longer");
  std::filesystem::copy_file(program_, longer);
  std::ofstream(longer, std::ios::app | std::ios::binary) << "x";
  RawCall other(rig_->socket(), Running(longer));
  EXPECT_EQ(other.AskAndHear(), Refusal("no-identity"));
}

TEST_P(WorkloadCallersTest, GivesByDigestToAProgramOf100MiB) {
  std::filesystem::resize_file(program_, uintmax_t{100} << 20);
  SetEntry("unix:sha256:" + Digest(program_));
  RawCall first(rig_->socket(), Running(program_)), second(rig_->socket(), Running(program_));
  EXPECT_EQ(first.AskAndHear(), Message(WorkloadRig::IdOf("program")));
  EXPECT_EQ(second.AskAndHear(), Message(WorkloadRig::IdOf("program")));
}

TEST_P(WorkloadCallersTest, GivesNothingToAProcessOfAnotherPidNamespace) {
  auto caller = User();
  caller.before = [] {
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(125);
    const pid_t child = ::fork();
    if (child != 0) {
      ::waitpid(child, nullptr, 0);
      ::_exit(0);
    }
    Become(kUser);
  };
  RawCall call(rig_->socket(), caller);
  ASSERT_FALSE(call.failed());
  EXPECT_EQ(call.AskAndHear(), Refusal("no-identity"));
}

TEST_P(WorkloadCallersTest, EndsTheStreamOfACallerThatIsMovedToAnotherCgroup) {
  // Beside the controllers of version 1, or alone.
  std::string root = "/sys/fs/cgroup/unified";
  std::error_code problem;
  if (!std::filesystem::exists(root, problem)) root = "/sys/fs/cgroup";
  const std::string group = fmt::format("{}/lodekey-test-{}", root, ::getpid());
  if (!std::filesystem::exists(root + "/cgroup.procs", problem) ||
      !std::filesystem::create_directory(group, problem))
    GTEST_SKIP() << "needs a cgroup hierarchy that it may change";
  {
    RawCall call(rig_->socket(), User());
    EXPECT_EQ(call.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
    std::ofstream(group + "/cgroup.procs") << call.pid();
    rig_->Renew();
    EXPECT_EQ(call.Hear(), Refusal("peer-changed"));
  }
  EXPECT_TRUE(Eventually([&] { return std::filesystem::remove(group, problem); }));
}

TEST_P(WorkloadCallersTest, EndsTheStreamWhenItsEntryIsDeletedAndNoOther) {
  RawCall user(rig_->socket(), User()), other(rig_->socket(), User(kOther));
  EXPECT_EQ(user.AskAndHear(), Message(WorkloadRig::IdOf(kUser)));
  EXPECT_EQ(other.AskAndHear(), Message(WorkloadRig::IdOf(kOther)));
  rig_->SetEntries({WorkloadRig::EntryOf(kOther)});
  EXPECT_EQ(user.Hear(), Refusal("no-identity"));
  rig_->Renew();
  EXPECT_EQ(other.Hear(), Message(WorkloadRig::IdOf(kOther)));
}

INSTANTIATE_TEST_SUITE_P(BothWays, WorkloadCallersTest,
                         testing::Values(PeerMode::kPidfd, PeerMode::kPid), [](const auto& test) {
                           return test.param == PeerMode::kPidfd ? "ByPeerPidfd" : "ByPid";
                         });

}  // namespace
}  // namespace lodekey::test
