#include "platform/unix_listener.h"

#include <future>
#include <sys/resource.h>

#include "tests/platform/connection.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

void Ignore(UniqueFd, Peer) {}

Result<std::unique_ptr<UnixListener>> Listen(const std::string& path) {
  return UnixListener::Create(path, 0600, "", Ignore);
}

struct stat StatOf(const std::string& path) {
  struct stat status = {};
  ::lstat(path.c_str(), &status);
  return status;
}

TEST(UnixListener, HandsOverConnectionsWithTheirPeer) {
  const ScratchDir scratch;
  std::promise<std::pair<UniqueFd, Peer>> accepted;
  const auto listener =
      UnixListener::Create(scratch / "s", 0600, "", [&](UniqueFd connection, Peer peer) {
        accepted.set_value({std::move(connection), std::move(peer)});
      });
  ASSERT_TRUE(listener) << listener.error().text;
  const UniqueFd client = Connect((*listener)->path());
  ASSERT_TRUE(client.valid());
  const auto [connection, peer] = accepted.get_future().get();
  EXPECT_EQ(peer.pid, ::getpid());
  EXPECT_EQ(peer.uid, ::getuid());
  EXPECT_TRUE(IsAlive(peer.pidfd));
  EXPECT_NE(::fcntl(connection.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(connection.get(), F_GETFL) & O_NONBLOCK, 0);
  ASSERT_EQ(::write(connection.get(), "hi", 2), 2);
  char said[2] = {};
  EXPECT_EQ(::read(client.get(), said, 2), 2);
}

TEST(UnixListener, SetsModeAndGroupWhateverTheUmask) {
  const ScratchDir scratch;
  const mode_t before = ::umask(077);
  const std::string group = ::getuid() == 0 ? "12345" : "";
  const auto listener = UnixListener::Create(scratch / "s", 0660, group, Ignore);
  ::umask(before);
  ASSERT_TRUE(listener) << listener.error().text;
  EXPECT_EQ(StatOf(scratch / "s").st_mode & 07777, 0660u);
  if (::getuid() == 0) {
    EXPECT_EQ(StatOf(scratch / "s").st_gid, 12345u);
  }
}

TEST(UnixListener, KnowsGroupsByName) {
  const ScratchDir scratch;
  const auto listener = UnixListener::Create(scratch / "s", 0660, "root", Ignore);
  if (::getuid() != 0) GTEST_SKIP() << "needs root to give a socket to another group";
  ASSERT_TRUE(listener) << listener.error().text;
  EXPECT_EQ(StatOf(scratch / "s").st_gid, 0u);
}

TEST(FindGroup, TakesANameANumberOrNothing) {
  EXPECT_EQ(FindGroup("root"), gid_t{0});
  EXPECT_EQ(FindGroup("4711"), gid_t{4711});
  EXPECT_EQ(FindGroup(""), static_cast<gid_t>(-1));
  EXPECT_EQ(FindGroup("no-such-group-here").error().Name(), "group-unknown");
}

TEST(UnixListener, RefusesAnUnknownGroupBeforeAnythingIsMade) {
  const ScratchDir scratch;
  const auto listener = UnixListener::Create(scratch / "s", 0660, "no-such-group-here", Ignore);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().Name(), "group-unknown");
  EXPECT_EQ(scratch.CountEntries(), 0u);
}

TEST(UnixListener, ReplacesASocketThatNobodyAnswersAt) {
  const ScratchDir scratch;
  {
    const UniqueFd crashed = UnixSocket();
    ASSERT_TRUE(Bind(crashed, scratch / "s"));
    ASSERT_EQ(::listen(crashed.get(), 1), 0);
  }
  const auto listener = Listen(scratch / "s");
  ASSERT_TRUE(listener) << listener.error().text;
  EXPECT_TRUE(Connect(scratch / "s").valid());
}

TEST(UnixListener, RefusesASocketThatSomebodyListensAt) {
  const ScratchDir scratch;
  const auto first = Listen(scratch / "s");
  ASSERT_TRUE(first);
  const auto second = Listen(scratch / "s");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().Name(), "socket-in-use");
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_TRUE(Connect(scratch / "s").valid()) << "the first goes on";
}

TEST(UnixListener, RefusesASocketOfAnotherTypeOrWithAFullBacklog) {
  const ScratchDir scratch;
  const UniqueFd datagram = UnixSocket(SOCK_DGRAM);
  ASSERT_TRUE(Bind(datagram, scratch / "d"));
  EXPECT_EQ(Listen(scratch / "d").error().Name(), "socket-in-use");

  const UniqueFd busy = UnixSocket();
  ASSERT_TRUE(Bind(busy, scratch / "b"));
  ASSERT_EQ(::listen(busy.get(), 0), 0);
  const UniqueFd waiting = Connect(scratch / "b");
  ASSERT_TRUE(waiting.valid());
  EXPECT_EQ(Listen(scratch / "b").error().Name(), "socket-in-use");
}

TEST(UnixListener, RefusesSymlinksAndOtherFilesAndLeavesThemAlone) {
  const ScratchDir scratch;
  const std::string file = scratch.Write("file", "kept");
  EXPECT_EQ(Listen(file).error().Name(), "socket-in-use");
  {
    const UniqueFd stale = UnixSocket();
    ASSERT_TRUE(Bind(stale, scratch / "stale"));
  }
  ASSERT_EQ(::symlink((scratch / "stale").c_str(), (scratch / "link").c_str()), 0);
  ASSERT_EQ(::symlink("/nowhere", (scratch / "dangling").c_str()), 0);
  EXPECT_EQ(Listen(scratch / "link").error().Name(), "socket-in-use");
  EXPECT_EQ(Listen(scratch / "dangling").error().Name(), "socket-in-use");
  EXPECT_EQ(scratch.CountEntries(), 4u);
}

TEST(UnixListener, RefusesPathsThatDoNotFit) {
  const ScratchDir scratch;
  EXPECT_EQ(Listen(scratch / std::string(108, 'x')).error().Name(), "socket-path-length");
  EXPECT_EQ(Listen("").error().Name(), "socket-path-length");
  EXPECT_EQ(Listen(scratch / "none/s").error().code, Code::kNotFound);
}

TEST(UnixListener, StopsOnceAndForAll) {
  const ScratchDir scratch;
  const auto listener = Listen(scratch / "s");
  ASSERT_TRUE(listener);
  (*listener)->Stop();
  (*listener)->Stop();
  EXPECT_FALSE(Connect(scratch / "s").valid());
}

TEST(UnixListener, RemovesItsPathWhenItGoes) {
  const ScratchDir scratch;
  {
    ASSERT_TRUE(Listen(scratch / "s"));
  }
  EXPECT_EQ(scratch.CountEntries(), 0u);
}

TEST(UnixListener, DoesNotRemoveWhatTookItsPlace) {
  const ScratchDir scratch;
  {
    const auto listener = Listen(scratch / "s");
    ASSERT_TRUE(listener);
    ASSERT_EQ(::rename((scratch / "s").c_str(), (scratch / "moved").c_str()), 0);
    scratch.Write("s", "another's");
  }
  EXPECT_TRUE(S_ISREG(StatOf(scratch / "s").st_mode));
}

TEST(UnixListener, ServesManyAndSurvivesClientsThatLeaveAtOnce) {
  const ScratchDir scratch;
  constexpr int kClients = 200;
  std::atomic<int> served = 0;
  std::promise<void> all;
  const auto listener = UnixListener::Create(scratch / "s", 0600, "", [&](UniqueFd, Peer) {
    if (++served == kClients) all.set_value();
  });
  ASSERT_TRUE(listener);
  for (int i = 0; i < kClients; ++i) EXPECT_TRUE(Connect(scratch / "s").valid());
  all.get_future().get();
  EXPECT_EQ(served, kClients);
}

TEST(UnixListener, ClosesAConnectionThatNoMemoryIsLeftForAndGoesOn) {
  const ScratchDir scratch;
  std::promise<void> second;
  int handled = 0;
  const auto listener = UnixListener::Create(scratch / "s", 0600, "", [&](UniqueFd, Peer) {
    if (++handled == 1) throw std::bad_alloc();
    second.set_value();
  });
  ASSERT_TRUE(listener);
  const UniqueFd client = Connect(scratch / "s");
  char byte = 0;
  EXPECT_EQ(::read(client.get(), &byte, 1), 0) << "closed";
  EXPECT_TRUE(Connect(scratch / "s").valid());
  second.get_future().get();
  EXPECT_EQ(handled, 2);
}

TEST(UnixListener, ResumesAfterAShortageOfDescriptors) {
  const ScratchDir scratch;
  const int status = RunInChild([&] {
    std::promise<void> accepted;
    const auto listener = UnixListener::Create(scratch / "s", 0600, "",
                                               [&](UniqueFd, Peer) { accepted.set_value(); });
    const UniqueFd client = UnixSocket();
    rlimit limit = {};
    if (!listener || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kChildFailed;
    const rlim_t before = std::exchange(limit.rlim_cur, static_cast<rlim_t>(client.get()) + 1);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return kChildFailed;
    const sockaddr_un address = UnixAddress(scratch / "s");
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_LT(::dup(0), 0) << "nothing is left for accept either";
    limit.rlim_cur = before;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return kChildFailed;
    accepted.get_future().get();
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

}  // namespace
}  // namespace lodekey::platform
