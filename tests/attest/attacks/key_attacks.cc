// Keys that a TPM does not vouch for, and keys that are not the ones that were proven.
#include <algorithm>

#include "attest/endorsement.h"
#include "tests/attest/attack_table.h"
#include "tests/attest/ek_vendor.h"
#include "tests/support/must.h"
#include "tpm/make_credential.h"

namespace lodekey::test {
namespace {

using attest::Purpose;

tpm::PublicArea Ak() { return Chip().ak().area; }
tpm::PublicArea NodeKey() { return Chip().node_key().area; }
tpm::PublicArea P256Ek() { return Chip().ek().area; }
tpm::PublicArea P384Ek() {
  static const SoftwareTpm tpm({.ek_template = "p384-h3", .chip = 3});
  return tpm.ek().area;
}
tpm::PublicArea RsaEk() {
  static const SoftwareTpm tpm({.ek_template = "rsa2048-l1", .chip = 3});
  return tpm.ek().area;
}

ChangeArea Without(TPMA_OBJECT attributes) {
  return [attributes](TPMT_PUBLIC& area) { area.objectAttributes &= ~attributes; };
}
ChangeArea With(TPMA_OBJECT attributes) {
  return [attributes](TPMT_PUBLIC& area) { area.objectAttributes |= attributes; };
}
ChangeArea NameAlg(TPM2_ALG_ID alg) {
  return [alg](TPMT_PUBLIC& area) { area.nameAlg = alg; };
}

void NoPolicy(TPMT_PUBLIC& area) { area.authPolicy.size = 0; }
void OtherPolicy(TPMT_PUBLIC& area) { area.authPolicy.buffer[0] ^= 1; }
void OtherCipher(TPMT_PUBLIC& area) { area.parameters.asymDetail.symmetric.keyBits.aes = 192; }
void SigningKey(TPMT_PUBLIC& area) {
  area.objectAttributes &= ~(TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
  area.objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT;
  area.parameters.asymDetail.symmetric.algorithm = TPM2_ALG_NULL;
}

const std::vector<ChangeArea> kNoStorageKeys = {Without(TPMA_OBJECT_RESTRICTED),
                                                Without(TPMA_OBJECT_DECRYPT),
                                                Without(TPMA_OBJECT_FIXEDTPM),
                                                Without(TPMA_OBJECT_FIXEDPARENT),
                                                Without(TPMA_OBJECT_SENSITIVEDATAORIGIN),
                                                With(TPMA_OBJECT_SIGN_ENCRYPT),
                                                With(TPMA_OBJECT_NODA),
                                                With(TPMA_OBJECT_ENCRYPTEDDUPLICATION),
                                                SigningKey,
                                                NoPolicy,
                                                OtherPolicy,
                                                OtherCipher};

constexpr TPMA_OBJECT kOfAChip =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;

const KeyAttackRow kKeyRows[] = {
    {"A36",
     "an AK that signs anything",
     ReadAk,
     Ak,
     {Without(TPMA_OBJECT_RESTRICTED)},
     "ak-attributes"},
    {"A37", "an AK without fixedTPM", ReadAk, Ak, {Without(TPMA_OBJECT_FIXEDTPM)}, "ak-attributes"},
    {"A38",
     "an AK without fixedParent",
     ReadAk,
     Ak,
     {Without(TPMA_OBJECT_FIXEDPARENT)},
     "ak-attributes"},
    {"A39",
     "an AK that was made elsewhere",
     ReadAk,
     Ak,
     {Without(TPMA_OBJECT_SENSITIVEDATAORIGIN)},
     "ak-attributes"},
    {"A40",
     "an AK that can also decrypt, or not sign",
     ReadAk,
     Ak,
     {With(TPMA_OBJECT_DECRYPT), Without(TPMA_OBJECT_SIGN_ENCRYPT)},
     "ak-attributes"},
    {"A42",
     "an AK named by SHA-1 or nothing",
     ReadAk,
     Ak,
     {NameAlg(TPM2_ALG_SHA1), NameAlg(TPM2_ALG_NULL)},
     "name-algorithm"},
    {"A42/node_key",
     "a node key named by SHA-1 or nothing",
     ReadNode,
     NodeKey,
     {NameAlg(TPM2_ALG_SHA1), NameAlg(TPM2_ALG_NULL)},
     "name-algorithm"},
    {"A42/ek",
     "an EK named by SHA-1 or nothing",
     ReadEk,
     P256Ek,
     {NameAlg(TPM2_ALG_SHA1), NameAlg(TPM2_ALG_NULL)},
     "name-algorithm"},
    {"A45",
     "a software key as AK: no chip vouches for it",
     ReadAk,
     Ak,
     {Without(kOfAChip)},
     "ak-attributes"},
    {"A49", "a P-256 EK that is no storage key of the template", ReadEk, P256Ek, kNoStorageKeys,
     "ek-template"},
    {"A49/p384", "a P-384 EK that is no storage key of the template", ReadEk, P384Ek,
     kNoStorageKeys, "ek-template"},
    {"A49/rsa", "an RSA EK that is no storage key of the template", ReadEk, RsaEk, kNoStorageKeys,
     "ek-template"},
    {"A49/ak",
     "the AK as EK",
     ReadEk,
     P256Ek,
     {[](TPMT_PUBLIC& area) { area = Ak().area(); }},
     "ek-template"},
    {"A50/flags",
     "a node key that is restricted, decrypts, or is not of a chip",
     ReadNode,
     NodeKey,
     {With(TPMA_OBJECT_RESTRICTED), With(TPMA_OBJECT_DECRYPT), Without(TPMA_OBJECT_SIGN_ENCRYPT),
      Without(TPMA_OBJECT_FIXEDTPM), Without(TPMA_OBJECT_FIXEDPARENT),
      Without(TPMA_OBJECT_SENSITIVEDATAORIGIN)},
     "node-key-attributes"},
};

// The issuer was shown another public area with the same key: its Name is another.
void OtherAreaOfTheAk(Scene& scene) {
  TPMT_PUBLIC area = Ak().area();
  area.objectAttributes &= ~TPMA_OBJECT_NODA;
  scene.subject.ak = Must(tpm::PublicArea::FromTpmt(area));
}

void SignedByOther(Scene& scene) { scene.quote.signer = &OtherChip().ak(); }

// All that the second AK's own chip would send, for this node and nonce.
void WhollyByOther(Scene& scene) {
  SignedByOther(scene);
  scene.quote.qualified_signer =
      Must(tpm::QualifiedNameOfPrimary(OtherChip().ak().area, TPM2_RH_ENDORSEMENT));
  scene.quote.extra_data = scene.Qualifying(
      Purpose::kAttestQuote, [](auto& context) { context.ak_name = OtherChip().ak().area.name(); });
}

Change BoundToSecret(const Bytes& secret) {
  return [secret](Scene& scene) {
    scene.quote.extra_data = scene.Qualifying(
        Purpose::kEnrolQuote, [&](auto& context) { context.activation_secret = secret; });
  };
}

Change CertifiesInstead(const SoftwareKey& (SoftwareTpm::*key)() const,
                        const SoftwareTpm& (*chip)()) {
  return [=](Scene& scene) { scene.certify.certified_name = (chip().*key)().area.name(); };
}

Change CertifiedUnder(TPM2_HANDLE hierarchy) {
  return [hierarchy](Scene& scene) {
    scene.certify.certified_qualified_name =
        Must(tpm::QualifiedNameOfPrimary(NodeKey(), hierarchy));
  };
}

const AttackRow kRows[] = {
    {.row = "A41",
     .title = "the AK's name is not that of its public area",
     .mutations = {OtherAreaOfTheAk},
     .codes = {"qualified-signer"}},
    {.row = "A43",
     .title = "one AK is activated, another quotes",
     .mutations = {SignedByOther, WhollyByOther},
     .codes = {"signature-invalid"}},
    {.row = "A46/binding",
     .title = "a quote bound to the secret of an earlier enrolment",
     .stage = Stage::kEnrolment,
     .mutations = {BoundToSecret(Bytes(32, 0x5d))},
     .codes = {"binding-mismatch"}},
    {.row = "A47/binding",
     .title = "a quote bound to a part of the secret, or none",
     .stage = Stage::kEnrolment,
     .mutations = {BoundToSecret({}), BoundToSecret(Bytes(31, 0x5e)), BoundToSecret({0x5e})},
     .codes = {"binding-mismatch"}},
    {.row = "A50",
     .title = "no certification of the node key",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) {
       scene.forge_certification = [](auto& certification) { certification = {}; };
     }},
     .codes = {"key-not-certified"}},
    {.row = "A50/other_ak",
     .title = "another AK certifies the node key, or the node key itself does",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) { scene.certify.signer = &OtherChip().ak(); },
                   [](Scene& scene) { scene.certify.signer = &scene.chip->node_key(); }},
     .codes = {"signature-invalid"}},
    {.row = "A50/other_key",
     .title = "another key is certified than the one that asks",
     .stage = Stage::kEnrolment,
     .mutations = {CertifiesInstead(&SoftwareTpm::node_key, OtherChip),
                   CertifiesInstead(&SoftwareTpm::ak, Chip),
                   [](Scene& scene) { scene.certify.certified_name = tpm::Name{}; }},
     .codes = {"certified-other-key"}},
    {.row = "A50/hierarchy",
     .title = "the node key would outlive the boot",
     .stage = Stage::kEnrolment,
     .mutations = {CertifiedUnder(TPM2_RH_OWNER), CertifiedUnder(TPM2_RH_ENDORSEMENT),
                   CertifiedUnder(TPM2_RH_PLATFORM)},
     .codes = {"node-key-hierarchy"}},
    {.row = "A52",
     .title = "the identity of one EK, with evidence of the host of another",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) {
       scene.quote.extra_data = scene.Qualifying(Purpose::kEnrolQuote, [](auto& context) {
         static const std::string own = ToHex(OtherChip().ek().area.key().spki_sha256());
         context.node_id = own;
       });
     }},
     .codes = {"binding-mismatch"}},
};

[[maybe_unused]] const bool kRegistered =
    RegisterAttacks({std::begin(kRows), std::end(kRows)}) &&
    RegisterKeyAttacks({std::begin(kKeyRows), std::end(kKeyRows)});

// The credential is wrapped for one EK and one Name; whoever lacks either gets nothing.
TEST_F(Attack, A44) {
  const auto secret = crypto::Secret::Random(32);
  for (const auto& ek : {P256Ek(), P384Ek(), RsaEk()}) {
    const auto credential = Must(tpm::MakeCredential(ek, Ak().name(), secret));
    const auto stolen = OtherChip().ActivateCredential(credential, Ak().name());
    ASSERT_FALSE(stolen);
  }
  const auto credential = Must(tpm::MakeCredential(P256Ek(), Ak().name(), secret));
  EXPECT_TRUE(Must(Chip().ActivateCredential(credential)).Matches(secret.Reveal()));
  const auto other_ek = OtherChip().ActivateCredential(credential, Ak().name());
  ASSERT_FALSE(other_ek);
  EXPECT_EQ(other_ek.error().Name(), "credential-integrity");
  const auto other_ak = Chip().ActivateCredential(credential, OtherChip().ak().area.name());
  ASSERT_FALSE(other_ak);
  EXPECT_EQ(other_ak.error().Name(), "credential-integrity");
}

TEST_F(Attack, A47) {
  const auto secret = crypto::Secret::Copy(Bytes(32, 0x5e));
  EXPECT_TRUE(secret.Matches(Bytes(32, 0x5e)));
  EXPECT_FALSE(secret.Matches({}));
  EXPECT_FALSE(secret.Matches(Bytes(31, 0x5e)));
  EXPECT_FALSE(secret.Matches(Bytes(33, 0x5e)));
  EXPECT_FALSE(crypto::Secret().Matches({}));
}

TEST_F(Attack, A48) {
  const EkVendor vendor;
  const attest::VendorRoots roots{.hardware = {vendor.root()}};
  const Bytes certificate = vendor.Certify(P256Ek()).der();
  const auto twin = attest::AppraiseEkCertificate(P256Ek(), certificate, {}, roots);
  ASSERT_TRUE(twin);
  EXPECT_EQ(twin->assurance, attest::Assurance::kHardware);
  for (const auto& other : {OtherChip().ek().area, P384Ek(), RsaEk()}) {
    const auto relayed = attest::AppraiseEkCertificate(other, certificate, {}, roots);
    ASSERT_FALSE(relayed);
    EXPECT_EQ(relayed.error().Name(), "ek-certificate-mismatch");
    EXPECT_EQ(relayed.error().code, Code::kUntrusted);
  }
}

}  // namespace
}  // namespace lodekey::test
