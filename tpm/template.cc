#include "tpm/template.h"

#include <algorithm>
#include <array>

#include "base/writer.h"

namespace lodekey::tpm {
namespace {

// PolicyB of the profile for SHA-384: PolicyOR of PolicyA and of PolicyAuthorizeNV on the index
// that the profile reserves for the platform's own policy.
constexpr std::array<uint8_t, 48> kPolicyBSha384 = {
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a,
    0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,
    0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12};

constexpr TPMA_OBJECT kBoundToChip =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
constexpr TPMA_OBJECT kEkAttributes =
    kBoundToChip | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

TPMT_SYM_DEF_OBJECT AesCfb(uint16_t bits) {
  TPMT_SYM_DEF_OBJECT symmetric = {};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = bits;
  symmetric.mode.aes = TPM2_ALG_CFB;
  return symmetric;
}

TPMT_PUBLIC Area(TPMI_ALG_PUBLIC type, TPMI_ALG_HASH name_alg, TPMA_OBJECT attributes,
                 ByteView policy) {
  TPMT_PUBLIC area = {};
  area.type = type;
  area.nameAlg = name_alg;
  area.objectAttributes = attributes;
  area.authPolicy.size = static_cast<uint16_t>(policy.size());
  std::ranges::copy(policy, area.authPolicy.buffer);
  return area;
}

TPMT_PUBLIC EccArea(TPMT_PUBLIC area, TPM2_ECC_CURVE curve, const TPMT_SYM_DEF_OBJECT& symmetric,
                    TPM2_ALG_ID scheme) {
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric = symmetric;
  ecc.scheme.scheme = scheme;
  ecc.curveID = curve;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return area;
}

// B.3.3: template L-1. The profile fills `unique` with zeros, which enters the key's derivation.
TPMT_PUBLIC Rsa2048Ek() {
  TPMT_PUBLIC area = Area(TPM2_ALG_RSA, TPM2_ALG_SHA256, kEkAttributes, EndorsementPolicySha256());
  TPMS_RSA_PARMS& rsa = area.parameters.rsaDetail;
  rsa.symmetric = AesCfb(128);
  rsa.scheme.scheme = TPM2_ALG_NULL;
  rsa.keyBits = 2048;
  area.unique.rsa.size = 256;
  return area;
}

// B.3.4: template L-2, zeros in `unique` likewise.
TPMT_PUBLIC P256Ek() {
  TPMT_PUBLIC area =
      EccArea(Area(TPM2_ALG_ECC, TPM2_ALG_SHA256, kEkAttributes, EndorsementPolicySha256()),
              TPM2_ECC_NIST_P256, AesCfb(128), TPM2_ALG_NULL);
  area.unique.ecc.x.size = 32;
  area.unique.ecc.y.size = 32;
  return area;
}

// B.4.5: template H-3; the high range leaves `unique` empty.
TPMT_PUBLIC P384Ek() {
  return EccArea(
      Area(TPM2_ALG_ECC, TPM2_ALG_SHA384, kEkAttributes | TPMA_OBJECT_USERWITHAUTH, kPolicyBSha384),
      TPM2_ECC_NIST_P384, AesCfb(256), TPM2_ALG_NULL);
}

TPMT_PUBLIC SigningKey(TPMA_OBJECT more_attributes) {
  constexpr TPMA_OBJECT kAttributes =
      kBoundToChip | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
  TPMT_SYM_DEF_OBJECT no_symmetric = {};
  no_symmetric.algorithm = TPM2_ALG_NULL;
  TPMT_PUBLIC area = EccArea(Area(TPM2_ALG_ECC, TPM2_ALG_SHA256, kAttributes | more_attributes, {}),
                             TPM2_ECC_NIST_P256, no_symmetric, TPM2_ALG_ECDSA);
  area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  return area;
}

// What must be equal between a key and its template: all but `unique`, with the exponent that 0
// stands for (part 2, 12.2.3.5) written as 0.
Result<Bytes> WithoutKey(TPMT_PUBLIC area) {
  area.unique = {};
  if (area.type == TPM2_ALG_RSA && area.parameters.rsaDetail.exponent == 65537) {
    area.parameters.rsaDetail.exponent = 0;
  }
  return MarshalPublic(area);
}

}  // namespace

const std::vector<EkTemplate>& EkTemplates() {
  static const std::vector<EkTemplate> templates = {
      {.name = "p256-l2", .certificate_index = 0x01c0000a, .area = P256Ek(), .needs_policy = true},
      {.name = "p384-h3", .certificate_index = 0x01c00016, .area = P384Ek(), .needs_policy = false},
      {.name = "rsa2048-l1",
       .certificate_index = 0x01c00002,
       .area = Rsa2048Ek(),
       .needs_policy = true}};
  return templates;
}

const EkTemplate* MatchEkTemplate(const PublicArea& ek) {
  const Result<Bytes> wanted = WithoutKey(ek.area());
  if (!wanted) return nullptr;
  const auto matches = [&wanted](const EkTemplate& candidate) {
    const Result<Bytes> form = WithoutKey(candidate.area);
    return form && Equal(*form, *wanted);
  };
  const auto found = std::ranges::find_if(EkTemplates(), matches);
  return found == EkTemplates().end() ? nullptr : &*found;
}

TPMT_PUBLIC AttestationKeyTemplate() { return SigningKey(TPMA_OBJECT_RESTRICTED); }

TPMT_PUBLIC NodeKeyTemplate() { return SigningKey(0); }

Bytes EndorsementPolicySha256() {
  // PolicyUpdate (part 3, 23.2.3) on a policy that starts at zero; policyRef is empty.
  Writer command;
  command.Raw(Bytes(32, 0)).U32Be(TPM2_CC_PolicySecret).Raw(HandleName(TPM2_RH_ENDORSEMENT));
  return crypto::Digest(crypto::HashAlg::kSha256,
                        crypto::Digest(crypto::HashAlg::kSha256, command.view()));
}

}  // namespace lodekey::tpm
