#include "platform/peer.h"

#include <csignal>
#include <grp.h>
#include <numeric>
#include <optional>

#include "tests/platform/connection.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

using Reader = Result<Peer> (*)(int);

// Both ways to the same answer: a kernel before 6.5 has only the second.
class PeerTest : public testing::TestWithParam<Reader> {
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
  const auto peer = GetParam()(connection.get());
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
  const auto peer = GetParam()(connection.get());
  ASSERT_TRUE(peer) << peer.error().text;
  EXPECT_EQ(peer->uid, 12345u);
  EXPECT_EQ(peer->gid, 12345u);
  EXPECT_EQ(peer->groups, groups);
  End(child);
}

TEST_P(PeerTest, RefusesAPeerThatHasEnded) {
  const pid_t child = StartClient([] {});
  const UniqueFd connection = Accept();
  End(child);
  const auto peer = GetParam()(connection.get());
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
      const auto peer = GetParam()(connection.get());
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
  EXPECT_FALSE(GetParam()(null.get()));
  EXPECT_FALSE(GetParam()(-1));
}

INSTANTIATE_TEST_SUITE_P(BothWays, PeerTest, testing::Values(&ReadPeer, &ReadPeerByPid),
                         [](const auto& test) {
                           return test.param == &ReadPeer ? "ByPeerPidfd" : "ByPid";
                         });

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
  EXPECT_EQ(ReadPeerByPid(connection.get()).error().Name(), "peer-gone");
  EXPECT_EQ(ReadPeer(connection.get())->uid, 0u) << "where the kernel pins it, it is as it was";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(changed[0]);
  ::close(changed[1]);
}

TEST(IsAlive, IsFalseForNoDescriptor) { EXPECT_FALSE(IsAlive(UniqueFd())); }

}  // namespace
}  // namespace lodekey::platform
