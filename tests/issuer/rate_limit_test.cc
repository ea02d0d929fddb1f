#include "issuer/rate_limit.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lodekey::test {
namespace {

using issuer::RateLimit;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kNow = std::chrono::hours(1);

size_t CountAllowed(RateLimit& limit, const std::string& source, size_t requests, Duration now) {
  size_t allowed = 0;
  for (size_t i = 0; i < requests; ++i) allowed += limit.Allow(source, now) ? 1U : 0U;
  return allowed;
}

TEST(RateLimit, AllowsOneSecondsWorthAtOnce) {
  RateLimit limit(100, 5);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow), 5U);
}

TEST(RateLimit, RefillsWithTime) {
  RateLimit limit(100, 5);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow), 5U);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow + milliseconds(199)), 0U);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow + milliseconds(200)), 1U);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow + milliseconds(1200)), 5U);
}

TEST(RateLimit, SavesNoMoreThanOneSecondsWorth) {
  RateLimit limit(100, 5);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 1, kNow), 1U);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow + std::chrono::hours(10)), 5U);
}

TEST(RateLimit, KeepsSourcesApart) {
  RateLimit limit(100, 5);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow), 5U);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.2", 50, kNow), 5U);
}

TEST(RateLimit, BoundsAllSourcesTogether) {
  RateLimit limit(12, 5);
  size_t allowed = 0;
  for (int source = 0; source < 10; ++source)
    allowed += CountAllowed(limit, std::to_string(source), 5, kNow);
  EXPECT_EQ(allowed, 12U);
}

TEST(RateLimit, BoundsSourcesAloneWithoutATotal) {
  RateLimit limit(RateLimit::kNoTotal, 5);
  for (size_t source = 0; source < 2 * RateLimit::kMaxSources; ++source)
    ASSERT_TRUE(limit.Allow(std::to_string(source), kNow));
  EXPECT_EQ(CountAllowed(limit, "0", 10, kNow), 4U);
}

TEST(RateLimit, GivesNothingForAClockThatGoesBackAndGoesOnFromThere) {
  RateLimit limit(100, 5);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, kNow), 5U);
  const Duration back = kNow - seconds(30);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, back), 0U);
  EXPECT_EQ(CountAllowed(limit, "192.0.2.1", 50, back + milliseconds(400)), 2U);
}

TEST(RateLimit, ForgetsQuietSourcesAfterAClockThatWentBack) {
  RateLimit limit(100'000, 2);
  for (size_t i = 0; i < RateLimit::kMaxSources; ++i)
    ASSERT_TRUE(limit.Allow(std::to_string(i), kNow));
  // A full table, which is looked through and keeps all.
  EXPECT_EQ(CountAllowed(limit, "new", 10, kNow), 10U);
  EXPECT_EQ(CountAllowed(limit, "new", 10, kNow - seconds(30)), 2U);
}

TEST(RateLimit, SharesTheTotalWhenTheTableOfSourcesIsFull) {
  constexpr uint32_t kTotal = 100'000;
  RateLimit limit(kTotal, 2);
  for (size_t i = 0; i < RateLimit::kMaxSources; ++i)
    ASSERT_TRUE(limit.Allow(std::to_string(i), kNow));
  // Known sources keep their limit; new ones have none of their own.
  EXPECT_EQ(CountAllowed(limit, "0", 10, kNow), 1U);
  EXPECT_EQ(CountAllowed(limit, "new", 10, kNow), 10U);
}

TEST(RateLimit, ForgetsSourcesThatHaveBeenQuiet) {
  RateLimit limit(100'000, 2);
  for (size_t i = 0; i < RateLimit::kMaxSources; ++i)
    ASSERT_TRUE(limit.Allow(std::to_string(i), kNow));
  EXPECT_EQ(CountAllowed(limit, "new", 10, kNow + seconds(1)), 2U);
}

TEST(RateLimit, TakesABurstAndThenTheRate) {
  RateLimit limit(RateLimit::kNoTotal, 2, 10);
  EXPECT_EQ(CountAllowed(limit, "a", 20, kNow), 10U);
  EXPECT_EQ(CountAllowed(limit, "a", 20, kNow + seconds(1)), 2U);
  EXPECT_EQ(CountAllowed(limit, "a", 20, kNow + seconds(60)), 10U);
}

TEST(RateLimit, CountsARequestAsWhatItCosts) {
  RateLimit limit(RateLimit::kNoTotal, 2, 10);
  EXPECT_TRUE(limit.Allow("a", kNow, 7));
  EXPECT_FALSE(limit.Allow("a", kNow, 4));
  EXPECT_TRUE(limit.Allow("a", kNow, 3)) << "what was refused cost nothing";
  EXPECT_FALSE(limit.Allow("a", kNow + seconds(60), 11));
}

TEST(RateLimit, CountsEachRequestOnceWhenManyThreadsAsk) {
  RateLimit limit(1000, 300);
  std::vector<size_t> allowed(4);
  {
    std::vector<std::jthread> threads;
    for (size_t& count : allowed)
      threads.emplace_back([&] { count = CountAllowed(limit, "192.0.2.1", 200, kNow); });
  }
  EXPECT_EQ(allowed[0] + allowed[1] + allowed[2] + allowed[3], 300U);
}

}  // namespace
}  // namespace lodekey::test
