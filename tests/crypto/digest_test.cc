#include "crypto/digest.h"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace lodekey::crypto {
namespace {

std::string HexOf(HashAlg alg, std::string_view text) { return ToHex(Digest(alg, AsBytes(text))); }

TEST(Digest, MatchesTheExamplesOfFips180) {
  EXPECT_EQ(HexOf(HashAlg::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(HexOf(HashAlg::kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexOf(HashAlg::kSha256, ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HexOf(HashAlg::kSha384, "abc"),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(HexOf(HashAlg::kSha512, "abc").substr(0, 32), "ddaf35a193617abacc417349ae204131");
}

TEST(Digest, OfPartsIsTheDigestOfTheirConcatenation) {
  const Bytes whole = Digest(HashAlg::kSha384, AsBytes("onetwothree"));
  EXPECT_EQ(Digest(HashAlg::kSha384, {AsBytes("one"), AsBytes(""), AsBytes("twothree")}), whole);
  const Sha256Digest array = Sha256({AsBytes("a"), AsBytes("bc")});
  EXPECT_EQ(ToBytes(ByteView(array)), Digest(HashAlg::kSha256, AsBytes("abc")));
}

TEST(Digest, HasTheSizeThatIsPromised) {
  for (HashAlg alg : {HashAlg::kSha1, HashAlg::kSha256, HashAlg::kSha384, HashAlg::kSha512}) {
    EXPECT_EQ(Digest(alg, ByteView()).size(), DigestSize(alg)) << HashName(alg);
  }
}

TEST(Digest, IsTheSameInEveryThread) {
  Bytes elsewhere;
  std::thread([&] { elsewhere = Digest(HashAlg::kSha256, AsBytes("abc")); }).join();
  EXPECT_EQ(elsewhere, Digest(HashAlg::kSha256, AsBytes("abc")));
}

TEST(Hasher, StartsANewMessageAfterFinish) {
  Hasher hasher(HashAlg::kSha256);
  const Bytes first = hasher.Update(AsBytes("ab")).Update(AsBytes("c")).Finish();
  const Bytes second = hasher.Update(AsBytes("abc")).Finish();
  EXPECT_EQ(first, second);
  EXPECT_EQ(ToHex(hasher.Finish()), HexOf(HashAlg::kSha256, ""));
}

TEST(Hasher, WritesIntoAGivenBuffer) {
  Hasher hasher(HashAlg::kSha1);
  std::array<uint8_t, 20> digest{};
  hasher.Update(AsBytes("abc")).FinishInto(digest);
  EXPECT_EQ(ToHex(digest), HexOf(HashAlg::kSha1, "abc"));
}

TEST(HasherDeathTest, EndsTheProcessRatherThanCutADigest) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::array<uint8_t, 20> too_small{};
  EXPECT_DEATH(Hasher(HashAlg::kSha256).FinishInto(too_small), "");
}

TEST(HashName, ReadsBackWhatItWrites) {
  for (HashAlg alg : {HashAlg::kSha1, HashAlg::kSha256, HashAlg::kSha384, HashAlg::kSha512}) {
    EXPECT_EQ(ParseHashName(HashName(alg)), alg);
  }
}

TEST(HashName, RefusesOtherNames) {
  for (std::string_view name : {"", "SHA256", "sha-256", "md5", "sha256 "}) {
    const auto result = ParseHashName(name);
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

// RFC 4231, test cases 1, 2 and 6.
TEST(Hmac, MatchesTheExamplesOfRfc4231) {
  EXPECT_EQ(ToHex(Hmac(HashAlg::kSha256, Bytes(20, 0x0b), {AsBytes("Hi There")})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(ToHex(Hmac(HashAlg::kSha256, AsBytes("Jefe"),
                       {AsBytes("what do ya want "), AsBytes("for nothing?")})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(ToHex(Hmac(HashAlg::kSha256, Bytes(131, 0xaa),
                       {AsBytes("Test Using Larger Than Block-Size Key - Hash Key First")})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hmac, TakesAnEmptyKey) {
  EXPECT_EQ(ToHex(Hmac(HashAlg::kSha256, ByteView(), {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hmac, DependsOnKeyMessageAndAlgorithm) {
  const Bytes base = Hmac(HashAlg::kSha256, AsBytes("key"), {AsBytes("message")});
  EXPECT_NE(base, Hmac(HashAlg::kSha256, AsBytes("Key"), {AsBytes("message")}));
  EXPECT_NE(base, Hmac(HashAlg::kSha256, AsBytes("key"), {AsBytes("Message")}));
  EXPECT_EQ(Hmac(HashAlg::kSha384, AsBytes("key"), {AsBytes("message")}).size(), 48u);
}

}  // namespace
}  // namespace lodekey::crypto
