#include "platform/peer.h"

#include <csignal>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <numeric>
#include <optional>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "platform/unix_listener.h"
#include "tests/platform/connection.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

// Both ways to the same answer: a kernel before 6.5 has only the second.
class PeerTest : public testing::TestWithParam<PeerMode> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Bind(listener_, path_));
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
    ::chmod(path_.c_str(), 0777);
    ::chmod(scratch_.path().c_str(), 0755);
  }

  // A child that runs `before`, connects, and stays until it is told to go.
  template <class Before>
  pid_t StartClient(Before before) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    before();
    const UniqueFd connection = Connect(path_);
    char end = 0;
    if (connection.valid()) (void)!::read(connection.get(), &end, 1);
    ::_exit(0);
  }

  UniqueFd Accept() { return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

  static void End(pid_t child) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }

  ScratchDir scratch_;
  std::string path_ = scratch_ / "s";
  UniqueFd listener_ = UnixSocket();
};

TEST_P(PeerTest, NamesTheProcessThatConnected) {
  const pid_t child = StartClient([] {});
  const UniqueFd connection = Accept();
  const auto peer = ReadPeer(connection.get(), GetParam());
  ASSERT_TRUE(peer) << peer.error().text;
  EXPECT_EQ(peer->pid, child);
  EXPECT_EQ(peer->uid, ::getuid());
  EXPECT_EQ(peer->gid, ::getgid());
  EXPECT_TRUE(IsAlive(peer->pidfd));
  EXPECT_NE(::fcntl(peer->pidfd.get(), F_GETFD) & FD_CLOEXEC, 0);
  End(child);
  EXPECT_FALSE(IsAlive(peer->pidfd));
}

TEST_P(PeerTest, NamesTheUserItConnectedAs) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  std::vector<gid_t> groups(100);
  std::iota(groups.begin(), groups.end(), 20000);
  const pid_t child = StartClient([&] {
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(12345, 12345, 12345) != 0 ||
        ::setresuid(12345, 12345, 12345) != 0) {
      ::_exit(kChildFailed);
    }
  });
  const UniqueFd connection = Accept();
  const auto peer = ReadPeer(connection.get(), GetParam());
  ASSERT_TRUE(peer) << peer.error().text;
  EXPECT_EQ(peer->uid, 12345u);
  EXPECT_EQ(peer->gid, 12345u);
  EXPECT_EQ(peer->groups, groups);
  End(child);
}

// Each connection would keep them: what a user can have costs no more than a page.
TEST_P(PeerTest, KeepsNoneOfTooManyGroups) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to have other groups";
  for (const size_t count : {kMostGroups, kMostGroups + 1, size_t{65536}}) {
    std::vector<gid_t> groups(count);
    std::iota(groups.begin(), groups.end(), 20000);
    const pid_t child = StartClient([&] {
      if (::setgroups(groups.size(), groups.data()) != 0) ::_exit(kChildFailed);
    });
    const UniqueFd connection = Accept();
    const auto peer = ReadPeer(connection.get(), GetParam());
    if (!peer && count == 65536 && GetParam() == PeerMode::kPid) {
      End(child);
      continue;  // what /proc says of it is too long to be read: refused
    }
    ASSERT_TRUE(peer) << peer.error().text;
    EXPECT_EQ(peer->has_more_groups, count > kMostGroups);
    EXPECT_EQ(peer->groups.size(), count > kMostGroups ? 0 : count);
    End(child);
  }
}

TEST_P(PeerTest, RefusesAPeerThatHasEnded) {
  const pid_t child = StartClient([] {});
  const UniqueFd connection = Accept();
  End(child);
  const auto peer = ReadPeer(connection.get(), GetParam());
  ASSERT_FALSE(peer);
  EXPECT_EQ(peer.error().code, Code::kUntrusted);
  EXPECT_EQ(peer.error().Name(), "peer-gone");
}

TEST_P(PeerTest, RefusesAPeerOfAForeignPidNamespace) {
  const UniqueFd client = Connect(path_);
  const UniqueFd connection = Accept();
  const int status = RunInChild([&] {
    // In the new namespace the process that connected has no number.
    if (::unshare(CLONE_NEWPID) != 0) return kChildNotPermitted;
    return RunInChild([&] {
      const auto peer = ReadPeer(connection.get(), GetParam());
      EXPECT_FALSE(peer);
      EXPECT_EQ(peer.error().Name(), "peer-unknown");
      return kChildPassed;
    });
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "needs root for a PID namespace";
  EXPECT_EQ(status, kChildPassed);
}

TEST_P(PeerTest, FailsOnWhatIsNoSocket) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(ReadPeer(null.get(), GetParam()));
  EXPECT_FALSE(ReadPeer(-1, GetParam()));
}

// Makes this process (a child) the first of a PID namespace with its own /proc, and runs `work`.
template <class Work>
int RunInPidNamespace(Work work) {
  return RunInChild([&] {
    if (::unshare(CLONE_NEWPID) != 0 || !EnterPrivateMounts()) return kChildNotPermitted;
    return RunInChild([&] {
      if (::mount("proc", "/proc", "proc", 0, nullptr) != 0) return kChildNotPermitted;
      return work();
    });
  });
}

// A process of `uid` with exactly the number `pid`, standing still; 0 when it got another.
pid_t Succeed(pid_t pid, uid_t uid) {
  std::ofstream("/proc/sys/kernel/ns_last_pid") << pid - 1;
  int ready[2] = {};
  if (::pipe(ready) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(uid, uid, uid) == 0 && ::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(kChildFailed);
  }
  char byte = 0;
  return ::read(ready[0], &byte, 1) == 1 && child == pid ? child : 0;
}

TEST_P(PeerTest, RefusesASuccessorOfThePeersNumber) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root for a PID namespace";
  for (const uid_t successor : {uid_t{12345}, ::getuid()}) {
    const int status = RunInPidNamespace([&] {
      const pid_t child = ::fork();
      if (child == 0) {
        const UniqueFd connection = Connect(path_);
        ::_exit(connection.valid() ? kChildPassed : kChildFailed);
      }
      const UniqueFd connection = Accept();
      ::waitpid(child, nullptr, 0);
      EXPECT_EQ(Succeed(child, successor), child);
      const auto peer = ReadPeer(connection.get(), GetParam());
      if (GetParam() == PeerMode::kPid && successor == ::getuid()) {
        // The window that docs/threat-model.md names: the same user, and no more than that.
        EXPECT_TRUE(peer);
        EXPECT_EQ(peer->uid, successor);
      } else {
        EXPECT_FALSE(peer);
        EXPECT_EQ(peer.error().Name(), "peer-gone");
      }
      return kChildPassed;
    });
    if (status == kChildNotPermitted) GTEST_SKIP() << "needs a PID namespace with its own /proc";
    EXPECT_EQ(status, kChildPassed) << successor;
  }
}

INSTANTIATE_TEST_SUITE_P(BothWays, PeerTest, testing::Values(PeerMode::kPidfd, PeerMode::kPid),
                         [](const auto& test) {
                           return test.param == PeerMode::kPidfd ? "ByPeerPidfd" : "ByPid";
                         });

// Makes the kernel one of before 6.5 for this process (a child).
bool ForgetPeerPidfd() {
  constexpr uint32_t kSoPeerPidfd = 77;
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getsockopt, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSoPeerPidfd, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(code), .filter = code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(PeerMode, FallsBackOnOldKernelsOnlyWhereItMay) {
  const ScratchDir scratch;
  const UniqueFd listener = UnixSocket();
  ASSERT_TRUE(Bind(listener, scratch / "s"));
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const UniqueFd client = Connect(scratch / "s");
  const UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const int status = RunInChild([&] {
    if (!ForgetPeerPidfd()) return kChildNotPermitted;
    EXPECT_TRUE(ReadPeer(connection.get(), PeerMode::kAuto));
    EXPECT_TRUE(ReadPeer(connection.get(), PeerMode::kPid));
    const auto refused = ReadPeer(connection.get(), PeerMode::kPidfd);
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error().Name(), "peer-pidfd-unsupported");
    // A listener says so before it accepts anybody.
    const auto none = [](UniqueFd, Peer) {};
    const auto listening = UnixListener::Create(scratch / "t", 0600, "", none, PeerMode::kPidfd);
    EXPECT_FALSE(listening);
    EXPECT_EQ(listening.error().Name(), "peer-pidfd-unsupported");
    return kChildPassed;
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "needs seccomp";
  EXPECT_EQ(status, kChildPassed);
}

TEST(PeerByPid, RefusesAProcessThatRunsAsAnotherUserThanConnected) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  int changed[2] = {};
  ASSERT_EQ(::pipe(changed), 0);
  const ScratchDir scratch;
  ::chmod(scratch.path().c_str(), 0755);
  const UniqueFd listener = UnixSocket();
  ASSERT_TRUE(Bind(listener, scratch / "s"));
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const UniqueFd connection = Connect(scratch / "s");
    const bool done = ::setresuid(12345, 12345, 12345) == 0 && ::write(changed[1], "x", 1) == 1;
    while (done) ::pause();
    ::_exit(kChildFailed);
  }
  char byte = 0;
  ASSERT_EQ(::read(changed[0], &byte, 1), 1);
  const UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(ReadPeer(connection.get(), PeerMode::kPid).error().Name(), "peer-gone");
  EXPECT_EQ(ReadPeer(connection.get(), PeerMode::kPidfd)->uid, 0u)
      << "where the kernel pins it, it is as it was";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(changed[0]);
  ::close(changed[1]);
}

TEST(PeerOfPid, IsThePeerThatTheProcessWouldBe) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  int ready[2] = {};
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const gid_t groups[] = {4, 54321};
    const bool done = ::setgroups(2, groups) == 0 && ::setresgid(1, 12345, 2) == 0 &&
                      ::setresuid(3, 54321, 4) == 0 && ::write(ready[1], "x", 1) == 1;
    while (done) ::pause();
    ::_exit(kChildFailed);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto peer = PeerOfPid(child);
  ASSERT_TRUE(peer) << peer.error().text;
  EXPECT_EQ(peer->pid, child);
  EXPECT_EQ(peer->uid, 54321u);
  EXPECT_EQ(peer->gid, 12345u);
  EXPECT_EQ(peer->groups, (std::vector<gid_t>{4, 54321}));
  EXPECT_TRUE(IsAlive(peer->pidfd));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_EQ(PeerOfPid(child).error().Name(), "process-not-found");
}

TEST(PeerOfPid, RefusesWhatIsNoProcess) {
  for (const pid_t pid : {0, -1, 4194305}) {
    const auto peer = PeerOfPid(pid);
    ASSERT_FALSE(peer) << pid;
    EXPECT_EQ(peer.error().Name(), "process-not-found");
    EXPECT_EQ(peer.error().code, Code::kNotFound);
  }
}

TEST(IsAlive, IsFalseForNoDescriptor) { EXPECT_FALSE(IsAlive(UniqueFd())); }

}  // namespace
}  // namespace lodekey::platform
