#include "platform/peer_map.h"

#include <array>

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

Peer Caller(uid_t uid) { return {.pid = 1, .uid = uid, .gid = 0}; }

class PeerMapTest : public testing::Test {
 protected:
  std::unique_ptr<PeerMap> map_ = Must(PeerMap::Create());
};

TEST_F(PeerMapTest, KnowsEachConnectionByTheNumberThatGrpcShows) {
  const Connection first = Connected(), second = Connected();
  Must(map_->Add(first.ours.get(), Caller(11)));
  Must(map_->Add(second.ours.get(), Caller(22)));
  ASSERT_NE(map_->Find(first.name()), nullptr);
  EXPECT_EQ(map_->Find(first.name())->uid, 11u);
  ASSERT_NE(map_->Find(second.name()), nullptr);
  EXPECT_EQ(map_->Find(second.name())->uid, 22u);
}

TEST_F(PeerMapTest, KnowsNobodyByAnyOtherText) {
  const Connection connection = Connected();
  Must(map_->Add(connection.ours.get(), Caller(11)));
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
  Must(map_->Add(connection.ours.get(), Caller(11)));
  Must(map_->Add(other.ours.get(), Caller(22)));
  connection.theirs.reset();
  EXPECT_TRUE(Eventually([&] { return map_->Find(connection.name()) == nullptr; }));
  EXPECT_NE(map_->Find(other.name()), nullptr);
  EXPECT_EQ(map_->size(), 1u);
}

TEST_F(PeerMapTest, APeerThatWasFoundStaysWhateverBecomesOfTheConnection) {
  Connection connection = Connected();
  Must(map_->Add(connection.ours.get(), Caller(11)));
  const auto peer = map_->Find(connection.name());
  connection.theirs.reset();
  ASSERT_TRUE(Eventually([&] { return map_->size() == 0; }));
  EXPECT_EQ(peer->uid, 11u);
}

TEST_F(PeerMapTest, TheEndOfAnEarlierConnectionDoesNotTouchTheNextOneOfItsNumber) {
  Connection first = Connected();
  const int number = first.ours.get();
  Must(map_->Add(number, Caller(11)));
  // gRPC closes its descriptor, the number goes to the next connection, and only then does the
  // first caller hang up.
  const Connection second = Connected();
  ASSERT_EQ(::dup2(second.ours.get(), number), number);
  Must(map_->Add(number, Caller(22)));
  first.theirs.reset();
  // A third connection whose end is noticed after the first one's shows that that was seen.
  Connection third = Connected();
  Must(map_->Add(third.ours.get(), Caller(33)));
  third.theirs.reset();
  ASSERT_TRUE(Eventually([&] { return map_->Find(third.name()) == nullptr; }));
  ASSERT_NE(map_->Find(first.name()), nullptr);
  EXPECT_EQ(map_->Find(first.name())->uid, 22u);
}

TEST_F(PeerMapTest, RefusesADescriptorThatIsNone) {
  EXPECT_FALSE(map_->Add(-1, Caller(11)));
  EXPECT_EQ(map_->Find("fd:-1"), nullptr);
  EXPECT_EQ(map_->size(), 0u);
}

}  // namespace
}  // namespace lodekey::platform
