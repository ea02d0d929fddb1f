#include "platform/peer_map.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/syscall.h>

#include <fmt/format.h>

#include "tests/platform/connection.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::platform {
namespace {

using test::Eventually;
using test::Must;

struct Connection {
  UniqueFd ours;
  UniqueFd theirs;
  std::string name() const { return fmt::format("fd:{}", ours.get()); }
};

Connection Connected() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {.ours = UniqueFd(ends[0]), .theirs = UniqueFd(ends[1])};
}

UniqueFd Pidfd(pid_t pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

Peer Caller(uid_t uid, pid_t pid = ::getpid()) {
  return {.pid = pid, .uid = uid, .gid = 0, .pidfd = Pidfd(pid)};
}

class PeerMapTest : public testing::Test {
 protected:
  Result<void> Add(const Connection& connection, Peer peer) {
    return Remember(*map_, connection.ours.get(), std::move(peer));
  }

  std::unique_ptr<PeerMap> map_ = Must(PeerMap::Create());
};

TEST_F(PeerMapTest, KnowsEachConnectionByTheNumberThatGrpcShows) {
  const Connection first = Connected(), second = Connected();
  Must(Add(first, Caller(11)));
  Must(Add(second, Caller(22)));
  ASSERT_NE(map_->Find(first.name()), nullptr);
  EXPECT_EQ(map_->Find(first.name())->uid, 11u);
  ASSERT_NE(map_->Find(second.name()), nullptr);
  EXPECT_EQ(map_->Find(second.name())->uid, 22u);
}

TEST_F(PeerMapTest, EndsTheConnectionThatItIsToldTo) {
  const Connection first = Connected(), second = Connected();
  Must(Add(first, Caller(11)));
  Must(Add(second, Caller(22)));
  map_->Close(first.name());
  map_->Close("fd:99999");
  EXPECT_EQ(map_->Find(first.name()), nullptr);
  char byte = 0;
  EXPECT_EQ(::recv(first.theirs.get(), &byte, 1, MSG_DONTWAIT), 0) << "it is told so";
  EXPECT_NE(map_->Find(second.name()), nullptr);
  EXPECT_EQ(::recv(second.theirs.get(), &byte, 1, MSG_DONTWAIT), -1);
}

TEST_F(PeerMapTest, KnowsNobodyByAnyOtherText) {
  const Connection connection = Connected();
  Must(Add(connection, Caller(11)));
  for (const std::string& text :
       {std::string(), std::string("fd:"), std::string("unix:"), std::string("fd:-1"),
        std::string("fd:99999"), std::string("fd:99999999999999999999"), connection.name() + " ",
        connection.name() + "x", "x" + connection.name(), std::string("ipv4:127.0.0.1:1")}) {
    EXPECT_EQ(map_->Find(text), nullptr) << "'" << text << "'";
  }
}

TEST_F(PeerMapTest, ForgetsAConnectionThatTheCallerHangsUp) {
  Connection connection = Connected();
  const Connection other = Connected();
  Must(Add(connection, Caller(11)));
  Must(Add(other, Caller(22)));
  connection.theirs.reset();
  EXPECT_TRUE(Eventually([&] { return map_->Find(connection.name()) == nullptr; }));
  EXPECT_NE(map_->Find(other.name()), nullptr);
  EXPECT_EQ(map_->size(), 1u);
}

TEST_F(PeerMapTest, APeerThatWasFoundStaysWhateverBecomesOfTheConnection) {
  Connection connection = Connected();
  Must(Add(connection, Caller(11)));
  const auto peer = map_->Find(connection.name());
  connection.theirs.reset();
  ASSERT_TRUE(Eventually([&] { return map_->size() == 0; }));
  EXPECT_EQ(peer->uid, 11u);
}

TEST_F(PeerMapTest, TheEndOfAnEarlierConnectionDoesNotTouchTheNextOneOfItsNumber) {
  Connection first = Connected();
  const int number = first.ours.get();
  Must(Remember(*map_, number, Caller(11)));
  // gRPC closes its descriptor, the number goes to the next connection, and only then does the
  // first caller hang up.
  const Connection second = Connected();
  ASSERT_EQ(::dup2(second.ours.get(), number), number);
  Must(Remember(*map_, number, Caller(22)));
  first.theirs.reset();
  // A third connection whose end is noticed after the first one's shows that that was seen.
  Connection third = Connected();
  Must(Add(third, Caller(33)));
  third.theirs.reset();
  ASSERT_TRUE(Eventually([&] { return map_->Find(third.name()) == nullptr; }));
  ASSERT_NE(map_->Find(first.name()), nullptr);
  EXPECT_EQ(map_->Find(first.name())->uid, 22u);
}

TEST_F(PeerMapTest, EndsTheConnectionWhenItsProcessEndsThoughARelativeHoldsTheSocket) {
  const Connection inherited = Connected(), other = Connected();
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  Must(Add(inherited, Caller(11, child)));
  Must(Add(other, Caller(22)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(Eventually([&] { return map_->Find(inherited.name()) == nullptr; }));
  char byte = 0;
  EXPECT_EQ(::read(inherited.theirs.get(), &byte, 1), 0) << "cut off";
  EXPECT_NE(map_->Find(other.name()), nullptr);
}

// Descriptors that epoll instances of this process watch.
size_t Watched() {
  size_t watched = 0;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream lines(file.path());
    for (std::string line; std::getline(lines, line);) watched += line.starts_with("tfd:");
  }
  return watched;
}

TEST_F(PeerMapTest, WatchesNothingOfAnEndedConnectionThatOthersStillHold) {
  Connection connection = Connected();
  const size_t before = Watched();
  Must(Add(connection, Caller(11)));
  EXPECT_EQ(Watched(), before + 2) << "the connection and its process";
  const auto held = map_->Find(connection.name());
  connection.theirs.reset();
  ASSERT_TRUE(Eventually([&] { return map_->size() == 0; }));
  EXPECT_EQ(Watched(), before) << "though gRPC has the one open and a stream the other";
}

TEST_F(PeerMapTest, RefusesAPeerWithoutItsProcess) {
  const Connection connection = Connected();
  EXPECT_FALSE(Add(connection, {.pid = 1, .uid = 11, .gid = 0}));
  EXPECT_EQ(map_->Find(connection.name()), nullptr);
}

TEST_F(PeerMapTest, RefusesADescriptorThatIsNone) {
  EXPECT_FALSE(Remember(*map_, -1, Caller(11)));
  EXPECT_EQ(map_->Find("fd:-1"), nullptr);
  EXPECT_EQ(map_->size(), 0u);
}

}  // namespace
}  // namespace lodekey::platform
