#include "crypto/secret.h"

#include <utility>

#include <gtest/gtest.h>

namespace lodekey::crypto {
namespace {

TEST(Secret, HoldsACopyOfTheBytes) {
  Bytes original = ToBytes("hunter2");
  const Secret secret = Secret::Copy(original);
  original[0] = 'x';
  EXPECT_EQ(AsText(secret.Reveal()), "hunter2");
  EXPECT_EQ(secret.size(), 7u);
  EXPECT_FALSE(secret.empty());
}

TEST(Secret, IsEmptyByDefault) {
  const Secret secret;
  EXPECT_TRUE(secret.empty());
  EXPECT_TRUE(secret.Reveal().empty());
  EXPECT_TRUE(Secret::Copy({}).empty());
  EXPECT_TRUE(secret.Clone().empty());
}

TEST(Secret, MatchesTheSameBytesOnly) {
  const Secret secret = Secret::Copy(AsBytes("hunter2"));
  EXPECT_TRUE(secret.Matches(AsBytes("hunter2")));
  EXPECT_FALSE(secret.Matches(AsBytes("hunter3")));
  EXPECT_FALSE(secret.Matches(AsBytes("hunter")));
  EXPECT_FALSE(secret.Matches(AsBytes("hunter22")));
  EXPECT_FALSE(secret.Matches({}));
}

TEST(Secret, MatchesNothingWhenEmpty) {
  EXPECT_FALSE(Secret().Matches({}));
  EXPECT_FALSE(Secret().Matches(AsBytes("x")));
}

TEST(Secret, MovesWithoutCopyingTheBytes) {
  Secret first = Secret::Copy(AsBytes("one"));
  const uint8_t* address = first.Reveal().data();
  Secret second = std::move(first);
  EXPECT_EQ(second.Reveal().data(), address);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): this is the promise
  Secret third = Secret::Copy(AsBytes("three"));
  third = std::move(second);
  EXPECT_EQ(AsText(third.Reveal()), "one");
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(Secret, ClonesIntoMemoryOfItsOwn) {
  const Secret first = Secret::Copy(AsBytes("one"));
  const Secret second = first.Clone();
  EXPECT_NE(first.Reveal().data(), second.Reveal().data());
  EXPECT_TRUE(first.Matches(second.Reveal()));
}

TEST(Secret, TakesTheBytesAndLeavesNone) {
  Bytes bytes = ToBytes("one");
  const Secret secret = Secret::Take(std::move(bytes));
  EXPECT_EQ(AsText(secret.Reveal()), "one");
  EXPECT_TRUE(bytes.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(Secret, IsRandomOnRequest) {
  const Secret first = Secret::Random(32);
  EXPECT_EQ(first.size(), 32u);
  EXPECT_FALSE(first.Matches(Secret::Random(32).Reveal()));
  EXPECT_TRUE(Secret::Random(0).empty());
}

TEST(SecretDeathTest, IsGuardedAgainstReadsBeyondIt) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer owns the handler";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Secret secret = Secret::Copy(AsBytes("one"));
  const volatile uint8_t* end = secret.Reveal().data() + secret.size();
  EXPECT_DEATH(static_cast<void>(*end), "");
}

TEST(WipeBytes, EmptiesAndOverwrites) {
  Bytes bytes = ToBytes("secret");
  const uint8_t* memory = bytes.data();
  bytes.reserve(bytes.size());
  WipeBytes(bytes);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(bytes.data(), memory);
  bytes.resize(6);
  EXPECT_EQ(bytes, Bytes(6, 0));
}

TEST(RandomBytes, GivesAsManyAsAsked) {
  EXPECT_TRUE(RandomBytes(0).empty());
  EXPECT_EQ(RandomBytes(16).size(), 16u);
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

TEST(InitCrypto, MayBeCalledAgain) {
  EXPECT_TRUE(InitCrypto());
  EXPECT_TRUE(InitCrypto());
}

}  // namespace
}  // namespace lodekey::crypto
