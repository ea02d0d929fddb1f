#include "crypto/cipher.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "crypto/secret.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

// With a zero IV the first block of CFB is E(0) xor plaintext; AES-128 of the zero block under the
// zero key is the well-known 66e94bd4….
TEST(AesCfb, MatchesTheBlockCipherOnItsFirstBlock) {
  const Bytes encrypted = Must(AesCfbEncrypt(Bytes(16, 0), Bytes(16, 0)));
  EXPECT_EQ(ToHex(encrypted), "66e94bd4ef8a2c3b884cfa59ca342b2e");
}

// NIST SP 800-38A, F.3.13: its key and IV. Our IV is zero: decrypting IV-independent later blocks
// of its ciphertext gives its plaintext, as each block of CFB hangs on the ciphertext before it
// alone.
TEST(AesCfb, MatchesTheLaterBlocksOfSp80038a) {
  const Bytes key = Must(ParseHex("2b7e151628aed2a6abf7158809cf4f3c"));
  const Bytes ciphertext =
      Must(ParseHex("3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
                    "26751f67a3cbb140b1808cf187a4f4df"));
  const Bytes plaintext = Must(AesCfbDecrypt(key, ciphertext));
  EXPECT_EQ(ToHex(ByteView(plaintext).subspan(16)),
            "ae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef");
}

TEST(AesCfb, ReadsBackWhatItWritesForEveryKeyAndLength) {
  for (size_t key_size : {16u, 24u, 32u}) {
    const Bytes key = RandomBytes(key_size);
    for (size_t size : {0u, 1u, 15u, 16u, 17u, 34u, 66u}) {
      const Bytes plaintext = RandomBytes(size);
      const Bytes ciphertext = Must(AesCfbEncrypt(key, plaintext));
      ASSERT_EQ(ciphertext.size(), size);
      EXPECT_EQ(Must(AesCfbDecrypt(key, ciphertext)), plaintext) << key_size << " " << size;
    }
  }
}

TEST(AesCfb, GivesOtherBytesUnderAnotherKey) {
  const Bytes plaintext(32, 7);
  EXPECT_NE(Must(AesCfbEncrypt(Bytes(16, 1), plaintext)),
            Must(AesCfbEncrypt(Bytes(16, 2), plaintext)));
}

TEST(AesCfb, RefusesAKeyOfAnotherSize) {
  for (size_t size : {0u, 8u, 15u, 17u, 33u, 64u}) {
    const auto result = AesCfbEncrypt(Bytes(size, 0), Bytes(4, 0));
    ASSERT_FALSE(result) << size;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
    EXPECT_FALSE(AesCfbDecrypt(Bytes(size, 0), Bytes(4, 0)));
  }
}

TEST(AesCfb, RefusesInputFarAboveAnyTpmStructure) {
  EXPECT_EQ(AesCfbEncrypt(Bytes(16, 0), Bytes((1 << 20) + 1, 0)).error().code,
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace lodekey::crypto
