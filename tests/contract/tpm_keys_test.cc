// Keys made from secrets of ours: what their names depend on, and that only their authorisation
// uses them.
#include <set>

#include <gtest/gtest.h>

#include "tests/contract/tpm_rig.h"

namespace lodekey::tpm {
namespace {

using test::Must;
using test::RandomKeySecret;
using test::TpmRig;

KeySecret Copy(const KeySecret& secret) {
  return {.data = secret.data.Clone(), .auth = secret.auth.Clone()};
}

TEST(TpmKeys, SameSecretMakesTheSameAttestationKeyAlsoAfterAPowerCycle) {
  TpmRig rig;
  const KeySecret secret = RandomKeySecret();
  Name first;
  {
    const LoadedKey ek = rig.EkWithSession();
    first = rig.Ak(secret).area.name();
    EXPECT_EQ(rig.Ak(secret).area.name(), first);
  }
  rig.Close();
  Must(rig.swtpm().PowerCycle());
  rig.Reopen();
  const LoadedKey ek = rig.EkWithSession();
  EXPECT_EQ(rig.Ak(secret).area.name(), first);
}

TEST(TpmKeys, DataEntersTheNameAndTheAuthorisationDoesNot) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const KeySecret secret = RandomKeySecret();
  KeySecret other_auth = Copy(secret);
  other_auth.auth = crypto::Secret::Random(32);
  KeySecret other_data = Copy(secret);
  other_data.data = crypto::Secret::Random(32);
  const Name name = rig.Ak(secret).area.name();
  EXPECT_EQ(rig.Ak(other_auth).area.name(), name);
  EXPECT_NE(rig.Ak(other_data).area.name(), name);
}

TEST(TpmKeys, NodeKeyLastsForTheBootAndDiesWithAReset) {
  TpmRig rig;
  const KeySecret secret = RandomKeySecret();
  Name first;
  {
    const LoadedKey ek = rig.EkWithSession();
    first = rig.NodeKey(secret).area.name();
    EXPECT_EQ(rig.NodeKey(secret).area.name(), first);
  }
  rig.Close();
  Must(rig.swtpm().PowerCycle());
  rig.Reopen();
  const LoadedKey ek = rig.EkWithSession();
  EXPECT_NE(rig.NodeKey(secret).area.name(), first);
}

// The TPM computes with an authValue whose trailing zeros are gone; one key in 256 ends in such a
// byte.
TEST(TpmKeys, AuthorisationThatEndsInZerosWorks) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  Bytes auth = crypto::RandomBytes(32);
  auth[30] = 0;
  auth[31] = 0;
  const KeySecret secret{.data = crypto::Secret::Random(32), .auth = crypto::Secret::Copy(auth)};
  const LoadedKey node = rig.NodeKey(secret);
  EXPECT_TRUE(rig.device().SignDigest(node, Bytes(32, 7)));
}

TEST(TpmKeys, WrongAuthorisationFailsOnceAndIsNotTriedAgain) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey node = rig.NodeKey(RandomKeySecret());
  const TPM2B_AUTH wrong{.size = 4, .buffer = {1, 2, 3, 4}};
  ASSERT_EQ(Esys_TR_SetAuth(rig.device().esys(), node.handle.tr(), &wrong), TSS2_RC_SUCCESS);
  const size_t commands = rig.Count([&] {
    const auto signature = rig.device().SignDigest(node, Bytes(32, 7));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().name, "tpm-auth");
    EXPECT_EQ(signature.error().code, Code::kHardware);
    EXPECT_FALSE(signature.error().advice.empty());
  });
  EXPECT_EQ(commands, 1u);
  // The key and the session are as good as before.
  const LoadedKey another = rig.NodeKey(RandomKeySecret());
  EXPECT_TRUE(rig.device().SignDigest(another, Bytes(32, 7)));
}

// One signature in 128 has a number with a leading zero byte, one in two needs a sign octet: the
// strict verifier takes no other than the minimal encoding.
TEST(TpmKeys, SignaturesAreMinimalDerThatVerifies) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey node = rig.NodeKey(RandomKeySecret());
  std::set<size_t> sizes;
  for (uint8_t i = 0; i < 200; ++i) {
    const Bytes message = {i};
    Bytes der;
    const Bytes digest = crypto::Digest(crypto::HashAlg::kSha256, message);
    EXPECT_EQ(rig.Count([&] { return rig.device().SignDigest(node, digest); }, der), 1u);
    Must(node.area.key().Verify(crypto::SignatureScheme::kEcdsa, crypto::HashAlg::kSha256, message,
                                der));
    sizes.insert(der.size());
  }
  EXPECT_GT(sizes.size(), 2u);
}

TEST(TpmKeys, RefusesWhatDoesNotFitBeforeAnyCommand) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey ak = rig.Ak(RandomKeySecret());
  const PcrSelection selection = {{crypto::HashAlg::kSha256, 1}};
  const KeySecret oversized{.data = crypto::Secret::Random(32), .auth = crypto::Secret::Random(65)};
  const size_t commands = rig.Count([&] {
    for (size_t size : {0u, 20u, 31u, 33u, 64u}) {
      const auto signature = rig.device().SignDigest(ak, Bytes(size));
      ASSERT_FALSE(signature);
      EXPECT_EQ(signature.error().code, Code::kInvalidArgument);
    }
    const auto quote = rig.device().Quote(ak, selection, Bytes(33));
    ASSERT_FALSE(quote);
    EXPECT_EQ(quote.error().code, Code::kInvalidArgument);
    const auto certified = rig.device().Certify(ak, ak, Bytes(33));
    ASSERT_FALSE(certified);
    EXPECT_EQ(certified.error().code, Code::kInvalidArgument);
    const auto key = rig.device().CreatePrimary(ESYS_TR_RH_NULL, NodeKeyTemplate(), oversized);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, Code::kInvalidArgument);
  });
  EXPECT_EQ(commands, 0u);
}

TEST(TpmKeys, RestrictedKeySignsNoForeignDigest) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey ak = rig.Ak(RandomKeySecret());
  EXPECT_FALSE(rig.device().SignDigest(ak, Bytes(32, 1)));
}

TEST(TpmKeys, MovedHandleFlushesOnce) {
  TpmRig rig;
  LoadedKey first = rig.EkWithSession();
  EXPECT_EQ(rig.Count([&] {
    LoadedKey second = std::move(first);
    EXPECT_FALSE(first.handle);
    first.handle.Reset();
  }),
            1u);
  Handle empty;
  empty.Reset();
  EXPECT_EQ(empty.tr(), ESYS_TR_NONE);
}

}  // namespace
}  // namespace lodekey::tpm
