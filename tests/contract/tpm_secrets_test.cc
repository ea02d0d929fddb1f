// What a listener on the TPM bus learns: nothing that makes or uses our keys.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/contract/tpm_rig.h"

namespace lodekey::tpm {
namespace {

using test::EkNamed;
using test::Must;
using test::RandomKeySecret;
using test::TpmRig;

bool Contains(ByteView haystack, ByteView needle) {
  return std::ranges::search(haystack, needle).begin() != haystack.end();
}

// Whether any eight bytes in a row of `secret` crossed the bus.
bool Leaks(ByteView traffic, ByteView secret) {
  constexpr size_t kWindow = 8;
  for (size_t at = 0; at + kWindow <= secret.size(); ++at) {
    if (Contains(traffic, secret.subspan(at, kWindow))) return true;
  }
  return false;
}

class TpmBus : public testing::TestWithParam<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(EndorsementKeys, TpmBus,
                         testing::Values("rsa2048-l1", "p256-l2", "p384-h3"),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(TpmBus, CarriesNoSecretOfANodeThroughItsLife) {
  TpmRig rig;
  rig.probe().record = true;
  Device& device = rig.device();
  const EkTemplate& ek_template = EkNamed(GetParam());
  const LoadedKey ek = Must(device.CreateEk(ek_template));
  Must(device.StartSession(ek));
  const KeySecret ak_secret = RandomKeySecret();
  const KeySecret node_secret = RandomKeySecret();
  const LoadedKey ak = rig.Ak(ak_secret);
  const LoadedKey node = rig.NodeKey(node_secret);
  const crypto::Secret activation = crypto::Secret::Random(32);
  const Credential credential = Must(MakeCredential(ek.area, ak.area.name(), activation));
  ASSERT_TRUE(Must(device.ActivateCredential(ak, ek, ek_template, credential))
                  .Matches(activation.Reveal()));
  const Bytes nonce = crypto::RandomBytes(32);
  Must(device.Certify(node, ak, nonce));
  Must(device.Quote(ak, {{crypto::HashAlg::kSha256, 0x3ff}}, nonce));
  Must(device.SignDigest(node, crypto::RandomBytes(32)));

  const ByteView traffic = rig.probe().recorded;
  EXPECT_TRUE(Leaks(traffic, nonce)) << "the search finds what is public";
  EXPECT_TRUE(Leaks(traffic, Must(ak.area.key().Point()).x));
  EXPECT_FALSE(Leaks(traffic, ak_secret.data.Reveal()));
  EXPECT_FALSE(Leaks(traffic, ak_secret.auth.Reveal()));
  EXPECT_FALSE(Leaks(traffic, node_secret.data.Reveal()));
  EXPECT_FALSE(Leaks(traffic, node_secret.auth.Reveal()));
  EXPECT_FALSE(Leaks(traffic, activation.Reveal()));
}

}  // namespace
}  // namespace lodekey::tpm
