#include "issuer/parsed_cache.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lodekey::issuer {
namespace {

using Cache = ParsedCache<std::string>;

TEST(ParsedCacheTest, GivesBackWhatWasKeptForExactlyTheseBytes) {
  Cache cache(8);
  const std::string bytes("a\0b", 3);
  cache.Keep(bytes, "parsed");
  EXPECT_EQ(cache.Find(bytes), "parsed");
  for (const std::string& other :
       {std::string("a"), std::string("a\0c", 3), std::string("a\0b\0", 4), std::string()})
    EXPECT_FALSE(cache.Find(other)) << other.size();
}

TEST(ParsedCacheTest, TheBytesAreItsOwn) {
  Cache cache(8);
  {
    std::string bytes(1000, 'x');
    cache.Keep(bytes, "parsed");
    bytes.assign(1000, 'y');
    EXPECT_FALSE(cache.Find(bytes));
  }
  EXPECT_EQ(cache.Find(std::string(1000, 'x')), "parsed");
}

TEST(ParsedCacheTest, WhenFullItForgetsWhatWasNotAskedForLongest) {
  Cache cache(2);
  cache.Keep("a", "A");
  cache.Keep("b", "B");
  EXPECT_TRUE(cache.Find("a"));
  cache.Keep("c", "C");
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_FALSE(cache.Find("b"));
  EXPECT_EQ(cache.Find("a"), "A");
  EXPECT_EQ(cache.Find("c"), "C");
}

TEST(ParsedCacheTest, WhatIsKeptTwiceIsThereOnce) {
  Cache cache(2);
  cache.Keep("a", "A");
  cache.Keep("a", "A");
  EXPECT_EQ(cache.size(), 1u);
}

TEST(ParsedCacheTest, ForgetsWhatItIsToldToAndNothingElse) {
  Cache cache(8);
  cache.Keep("one", "first");
  cache.Keep("two", "second");
  cache.Forget("one");
  cache.Forget("none");
  EXPECT_FALSE(cache.Find("one"));
  EXPECT_EQ(cache.Find("two"), "second");
  EXPECT_EQ(cache.size(), 1u);
}

TEST(ParsedCacheTest, NeverHoldsMoreThanItsCapacityHoweverManyUseItAtOnce) {
  constexpr size_t kCapacity = 16;
  Cache cache(kCapacity);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string bytes = std::to_string((i * 7 + t) % 64);
        const std::string parsed = "parsed " + bytes;
        EXPECT_EQ(cache.Find(bytes).value_or(parsed), parsed);
        cache.Keep(bytes, parsed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.size(), kCapacity);
}

}  // namespace
}  // namespace lodekey::issuer
