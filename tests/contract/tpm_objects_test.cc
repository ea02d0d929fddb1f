// Keys that tpm2-tools made: persistent, or as files under a persistent storage key.
#include <optional>

#include <gtest/gtest.h>

#include "tests/contract/tpm_rig.h"
#include "tests/support/device_key.h"

namespace lodekey::tpm {
namespace {

using test::DeviceKey;
using test::Must;
using test::RandomKeySecret;
using test::TpmRig;

// A device key beside an attestation key.
class TpmObjects : public testing::Test {
 protected:
  explicit TpmObjects(const std::string& auth = "") : auth_(auth) {
    rig_.Close();
    key_.emplace(rig_.swtpm().tcti(), auth);
    rig_.Reopen();
    ek_.emplace(rig_.EkWithSession());
    ak_.emplace(rig_.Ak(RandomKeySecret()));
    ek_.reset();
  }
  crypto::Secret Auth() const { return crypto::Secret::Copy(AsBytes(auth_)); }
  // Whether the AK says that it shares the chip with this key.
  void ExpectCertified(const LoadedKey& key) {
    const Bytes qualifying(32, 0x51);
    const Quoted certified = Must(rig_.device().Certify(key, *ak_, qualifying));
    Must(VerifyAttestationSignature(ak_->area, certified.attest, certified.signature));
    const auto attest = Must(ParseAttestation(certified.attest, AttestKind::kCertify));
    EXPECT_EQ(attest.extra_data, qualifying);
    EXPECT_EQ(std::get<CertifyInfo>(attest.attested).name, key.area.name());
  }

  TpmRig rig_;
  std::optional<DeviceKey> key_;
  std::string auth_;
  std::optional<LoadedKey> ek_;
  std::optional<LoadedKey> ak_;
};

class TpmObjectsWithAuth : public TpmObjects {
 protected:
  TpmObjectsWithAuth() : TpmObjects("the operator's choice") {}
};

TEST_F(TpmObjects, AreOpenedWhereTheyAreAndStayThere) {
  for (int time = 0; time < 2; ++time) {
    std::optional<LoadedKey> key;
    const auto open = [&] {
      key.emplace(Must(rig_.device().OpenPersistentKey(DeviceKey::kHandle, {})));
    };
    EXPECT_EQ(rig_.Count(open), 2U);
    EXPECT_EQ(key->area.tpm2b(), key_->area().tpm2b());
    EXPECT_EQ(rig_.Count([&] { ExpectCertified(*key); }), 2U);
    EXPECT_EQ(rig_.Count([&] { key.reset(); }), 0U) << "nothing is flushed";
  }
}

TEST_F(TpmObjects, AreLoadedFromTheirFiles) {
  const LoadedKey key =
      Must(rig_.device().LoadKey(DeviceKey::kParent, key_->area(), key_->private_blob(), {}));
  ExpectCertified(key);
}

TEST_F(TpmObjects, AreNotThere) {
  EXPECT_FALSE(rig_.device().OpenPersistentKey(DeviceKey::kHandle + 1, {}));
  EXPECT_FALSE(
      rig_.device().LoadKey(DeviceKey::kParent + 7, key_->area(), key_->private_blob(), {}));
}

TEST_F(TpmObjects, AreRefusedWhenTheirFilesAreDamaged) {
  Bytes blob = key_->private_blob();
  blob.back() ^= 1;
  EXPECT_FALSE(rig_.device().LoadKey(DeviceKey::kParent, key_->area(), blob, {}));
  blob.pop_back();
  EXPECT_EQ(rig_.Count([&] {
    EXPECT_FALSE(rig_.device().LoadKey(DeviceKey::kParent, key_->area(), blob, {}));
  }),
            0U)
      << "no TPM2B_PRIVATE";
}

TEST_F(TpmObjectsWithAuth, AreUsedWithIt) {
  ExpectCertified(Must(rig_.device().OpenPersistentKey(DeviceKey::kHandle, Auth())));
  ExpectCertified(
      Must(rig_.device().LoadKey(DeviceKey::kParent, key_->area(), key_->private_blob(), Auth())));
}

TEST_F(TpmObjectsWithAuth, AreNotUsedWithoutIt) {
  const LoadedKey key = Must(rig_.device().OpenPersistentKey(DeviceKey::kHandle, {}));
  const auto certified = rig_.device().Certify(key, *ak_, Bytes(32, 1));
  ASSERT_FALSE(certified);
  EXPECT_EQ(certified.error().name, "tpm-auth");
}

}  // namespace
}  // namespace lodekey::tpm
