#include "attest/devid.h"

#include <gtest/gtest.h>

#include "tests/attest/devid_scene.h"

namespace lodekey::attest {
namespace {

using std::chrono::days;
using test::DevIdAuthority;
using test::DevIdScene;
using test::Must;
using test::ProblemOf;

TEST(DevId, IsProvedByItsCertificateAndTheChip) {
  const DevIdScene scene;
  const ProvedDevId proved = Must(scene.Prove());
  const auto leaf = Must(crypto::Certificate::FromDer(scene.certificates[0]));
  EXPECT_EQ(proved.subject, leaf.subject());
  EXPECT_NE(proved.subject.find("CN=host-7"), std::string::npos) << proved.subject;
  EXPECT_EQ(proved.serial, ToHex(leaf.serial()));
  EXPECT_NE(proved.issuer.find("Example DevID CA"), std::string::npos) << proved.issuer;
  EXPECT_EQ(proved.key_sha256, ToBytes(scene.key.area.key().spki_sha256()));
}

TEST(DevId, ChainsOverIntermediates) {
  DevIdScene scene;
  const auto site = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const Bytes intermediate =
      scene.authority.Certify(site.public_key(), scene.authority.Spec("Site CA", /*ca=*/true));
  const auto issuer = Must(crypto::Certificate::FromDer(intermediate));
  const Bytes leaf = Must(crypto::SignCertificate(scene.authority.Spec("host-7"),
                                                  scene.key.area.key(), &issuer, site))
                         .der();
  scene.certificates = {leaf};
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-unknown-ca");
  scene.certificates = {leaf, intermediate};
  EXPECT_EQ(ProblemOf(scene.Prove()), "");
}

TEST(DevId, IsRefusedFromAnotherAuthority) {
  DevIdScene scene;
  scene.profile.roots = {DevIdAuthority().root()};
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-unknown-ca");
  scene.profile.roots.clear();
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-unknown-ca");
}

TEST(DevId, IsRefusedOutsideOfItsTime) {
  DevIdScene scene;
  for (const Time now : {test::kDevIdNow + days(184), test::kDevIdNow - days(184)}) {
    scene.now = now;
    EXPECT_EQ(ProblemOf(scene.Claim()), "devid-expired");
  }
}

TEST(DevId, IsOfBoundedSize) {
  DevIdScene scene;
  const Bytes leaf = scene.certificates[0];
  scene.certificates = std::vector<Bytes>(kMaxDevIdCertificates, leaf);
  EXPECT_EQ(ProblemOf(scene.Claim()), "");
  scene.certificates.push_back(leaf);
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-too-large");
  scene.certificates = {Bytes(kMaxDevIdBytes + 1)};
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-too-large");
  scene.certificates = {};
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-malformed");
}

TEST(DevId, IsReadStrictly) {
  DevIdScene scene;
  scene.certificates[0].pop_back();
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-malformed");
  scene = {};
  scene.certificates.push_back({0x30, 0x00});
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-malformed");
  scene = {};
  scene.key_public.pop_back();
  EXPECT_EQ(ProblemOf(scene.Claim()), "public-malformed");
}

TEST(DevId, IsForTheKeyThatIsShown) {
  DevIdScene scene;
  scene.key_public = test::MakeDevIdKey().area.tpm2b();
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-key-mismatch");
}

TEST(DevId, IsNoAuthority) {
  DevIdScene scene;
  scene.certificates = {
      scene.authority.Certify(scene.key.area.key(), scene.authority.Spec("host-7", /*ca=*/true))};
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-usage");
}

// IEEE 802.1AR-2018, 8.10.
TEST(DevId, IsForSignatures) {
  DevIdScene scene;
  EXPECT_EQ(scene.ProblemWith(NID_key_usage, "critical,digitalSignature,keyEncipherment"), "");
  EXPECT_EQ(scene.ProblemWith(NID_key_usage, "critical,keyAgreement"), "devid-usage");
  EXPECT_EQ(scene.ProblemWith(NID_key_usage, ""), "devid-usage") << "it says nothing";
}

TEST(DevId, IsNoCertificateForSomethingElse) {
  DevIdScene scene;
  for (const char* other : {"serverAuth", "codeSigning", "serverAuth,emailProtection"})
    EXPECT_EQ(scene.ProblemWith(NID_ext_key_usage, other), "devid-usage") << other;
  for (const char* own : {"clientAuth", "serverAuth,clientAuth", "2.5.29.37.0", "1.2.3.4"})
    EXPECT_EQ(scene.ProblemWith(NID_ext_key_usage, own), "") << own;
}

TEST(DevId, HasOneOfTheConfiguredUses) {
  DevIdScene scene;
  scene.profile.usages = {"1.2.3.4", "2.23.133.11.1.2"};
  EXPECT_EQ(ProblemOf(scene.Claim()), "devid-usage") << "it says nothing";
  EXPECT_EQ(scene.ProblemWith(NID_ext_key_usage, "clientAuth"), "devid-usage");
  EXPECT_EQ(scene.ProblemWith(NID_ext_key_usage, "serverAuth,1.2.3.4"), "");
  EXPECT_EQ(scene.ProblemWith(NID_certificate_policies, "2.23.133.11.1.1"), "devid-usage");
  EXPECT_EQ(scene.ProblemWith(NID_certificate_policies, "2.23.133.11.1.1,2.23.133.11.1.2"), "");
}

TEST(DevId, SignsAndNothingElse) {
  for (const TPMA_OBJECT surplus : {TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_DECRYPT}) {
    DevIdScene scene;
    scene.key_public = test::ChangedTpm2bPublic(
        scene.key.area, [&](TPMT_PUBLIC& area) { area.objectAttributes |= surplus; });
    EXPECT_EQ(ProblemOf(scene.Claim()), "devid-key-attributes") << surplus;
  }
}

}  // namespace
}  // namespace lodekey::attest
