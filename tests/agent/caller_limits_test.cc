#include "agent/caller_limits.h"

#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lodekey::agent {
namespace {

TEST(CallerLimits, GivesEachUserItsShareAndNoMore) {
  CallerLimits limits({.connections = 2, .streams = 1, .pending = 1});
  std::vector<CallerLimits::Permit> held;
  for (int i = 0; i < 2; ++i) {
    auto permit = limits.Take(1000, Held::kConnection);
    ASSERT_TRUE(permit);
    held.push_back(*std::move(permit));
  }
  const auto refused = limits.Take(1000, Held::kConnection);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Name(), "too-many-connections");
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_TRUE(limits.Take(1000, Held::kStream)) << "of another kind";
  EXPECT_TRUE(limits.Take(1001, Held::kConnection)) << "another user";
}

TEST(CallerLimits, TakesBackWhatIsGivenBack) {
  CallerLimits limits({.connections = 1, .streams = 1, .pending = 1});
  {
    auto permit = limits.Take(1000, Held::kPending);
    ASSERT_TRUE(permit);
    const CallerLimits::Permit moved = *std::move(permit);
    EXPECT_EQ(limits.Take(1000, Held::kPending).error().Name(), "too-many-requests");
  }
  EXPECT_EQ(limits.users(), 0u);
  auto first = limits.Take(1000, Held::kStream);
  auto second = limits.Take(1001, Held::kStream);
  ASSERT_TRUE(first && second);
  *first = *std::move(second);
  EXPECT_TRUE(limits.Take(1000, Held::kStream)) << "given back by the assignment";
  EXPECT_FALSE(limits.Take(1001, Held::kStream));
}

TEST(CallerLimits, RemembersNobodyWhoHoldsNothing) {
  CallerLimits limits({.connections = 0, .streams = 1, .pending = 1});
  for (uid_t uid = 0; uid < 1000; ++uid) EXPECT_FALSE(limits.Take(uid, Held::kConnection));
  EXPECT_EQ(limits.users(), 0u);
}

TEST(CallerLimits, MayEndBeforeItsPermits) {
  std::optional<CallerLimits> limits(CallerLimit{});
  const auto permit = limits->Take(1000, Held::kStream);
  limits.reset();
  EXPECT_TRUE(permit);
}

TEST(CallerLimits, CountsRightAcrossThreads) {
  CallerLimits limits({.connections = 1 << 20, .streams = 1, .pending = 1});
  std::vector<std::jthread> threads;
  for (uid_t uid = 0; uid < 4; ++uid) {
    threads.emplace_back([&limits, uid] {
      for (int i = 0; i < 2000; ++i) EXPECT_TRUE(limits.Take(uid % 2, Held::kConnection));
    });
  }
  threads.clear();
  EXPECT_EQ(limits.users(), 0u);
}

}  // namespace
}  // namespace lodekey::agent
