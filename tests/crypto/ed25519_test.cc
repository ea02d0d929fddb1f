#include "crypto/ed25519.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

// RFC 8032, section 7.1, test 2.
TEST(Ed25519, MatchesTheExampleOfRfc8032) {
  const Bytes seed =
      Must(ParseHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  const auto key = Must(Ed25519Key::FromSeed(Secret::Copy(seed)));
  EXPECT_EQ(ToHex(key.public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const Bytes message = {0x72};
  EXPECT_EQ(ToHex(key.Sign(message)),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(Ed25519, VerifiesItsOwnSignatures) {
  const auto key = Must(Ed25519Key::Generate());
  EXPECT_TRUE(VerifyEd25519(key.public_key(), AsBytes("record"), key.Sign(AsBytes("record"))));
  EXPECT_TRUE(VerifyEd25519(key.public_key(), {}, key.Sign({})));
}

TEST(Ed25519, RefusesAnotherMessageKeyOrSignature) {
  const auto key = Must(Ed25519Key::Generate());
  const auto other = Must(Ed25519Key::Generate());
  Ed25519Signature signature = key.Sign(AsBytes("record"));
  EXPECT_FALSE(VerifyEd25519(key.public_key(), AsBytes("Record"), signature));
  EXPECT_FALSE(VerifyEd25519(other.public_key(), AsBytes("record"), signature));
  for (uint8_t& byte : signature) {
    byte ^= 0x80;
    EXPECT_FALSE(VerifyEd25519(key.public_key(), AsBytes("record"), signature));
    byte ^= 0x80;
  }
}

// A key of small order would verify a signature of zeros over many messages.
TEST(Ed25519, RefusesTheKeyOfSmallOrder) {
  EXPECT_FALSE(VerifyEd25519(Ed25519PublicKey{}, AsBytes("record"), Ed25519Signature{}));
  EXPECT_FALSE(VerifyEd25519(Ed25519PublicKey{1}, AsBytes("record"), Ed25519Signature{1}));
}

TEST(Ed25519, ComesBackFromItsSeed) {
  const auto key = Must(Ed25519Key::Generate());
  const auto again = Must(Ed25519Key::FromSeed(key.seed()));
  EXPECT_EQ(again.public_key(), key.public_key());
  EXPECT_EQ(again.Sign(AsBytes("x")), key.Sign(AsBytes("x")));
}

TEST(Ed25519, RefusesASeedOfAnotherSize) {
  for (size_t size : {0u, 31u, 33u, 64u}) {
    const auto result = Ed25519Key::FromSeed(Secret::Random(size));
    ASSERT_FALSE(result) << size;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace lodekey::crypto
