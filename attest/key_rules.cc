#include "attest/key_rules.h"

#include <fmt/format.h>

namespace lodekey::attest {
namespace {

constexpr TPMA_OBJECT kBornInTheChip =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;

struct AttributeRule {
  TPMA_OBJECT required;
  TPMA_OBJECT forbidden;
  std::string_view code;
  std::string_view what;
  std::string_view advice = "Let lodekeyd create its own keys in the TPM.";
};

constexpr AttributeRule kAttestationKeyRule = {
    kBornInTheChip | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT, TPMA_OBJECT_DECRYPT,
    "ak-attributes", "attestation key"};

constexpr AttributeRule kNodeKeyRule = {kBornInTheChip | TPMA_OBJECT_SIGN_ENCRYPT,
                                        TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
                                        "node-key-attributes", "node key"};

// TPM 2.0 Keys for Device Identity and Attestation, 7.3: signing keys of an IDevID or LDevID.
constexpr AttributeRule kDevIdKeyRule = {
    kBornInTheChip | TPMA_OBJECT_SIGN_ENCRYPT, TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
    "devid-key-attributes", "DevID's key", "Make the DevID's key in the TPM, for signing alone."};

Result<void> CheckAttributes(const tpm::PublicArea& key, const AttributeRule& rule) {
  const TPMA_OBJECT missing = rule.required & ~key.attributes();
  const TPMA_OBJECT surplus = rule.forbidden & key.attributes();
  if (missing == 0 && surplus == 0) return {};
  return Fail(Code::kUntrusted,
              fmt::format("the {} has attributes {:#x}: {:#x} missing, {:#x} not allowed",
                          rule.what, key.attributes(), missing, surplus),
              {.name = std::string(rule.code), .advice = std::string(rule.advice)});
}

// ECDSA over P-256 with SHA-256: what lodekeyd makes, and what TLS 1.3 peers all verify.
Result<void> CheckP256(const tpm::PublicArea& key, std::string_view code, std::string_view what) {
  const TPMT_ECC_SCHEME& scheme = key.area().parameters.eccDetail.scheme;
  const bool fits = key.key().type() == crypto::KeyType::kEcP256 &&
                    scheme.scheme == TPM2_ALG_ECDSA &&
                    scheme.details.ecdsa.hashAlg == TPM2_ALG_SHA256;
  if (fits) return {};
  return Fail(Code::kUntrusted,
              fmt::format("the {} is not an ECDSA key over P-256 with SHA-256", what),
              {.name = std::string(code)});
}

constexpr int kSmallestRsa = 2048;

Result<void> CheckRsaStrength(const tpm::PublicArea& key, std::string_view what) {
  const UINT32 exponent = key.area().parameters.rsaDetail.exponent;
  const bool exponent_ok = exponent == 0 || exponent == 65537;
  if (key.key().bits() >= kSmallestRsa && exponent_ok && !key.key().HasRocaFingerprint()) return {};
  return Fail(Code::kUntrusted, fmt::format("the {} is a weak RSA key", what),
              {.name = "key-weak"});
}

// An attestation key may be RSA on chips without ECC, if it is strong and names one signing scheme.
Result<void> CheckAkScheme(const tpm::PublicArea& key) {
  if (key.key().type() != crypto::KeyType::kRsa)
    return CheckP256(key, "ak-scheme", "attestation key");
  const TPMS_RSA_PARMS& rsa = key.area().parameters.rsaDetail;
  RETURN_IF_ERROR(CheckRsaStrength(key, "attestation key"), "attestation key");
  const bool signs = rsa.scheme.scheme == TPM2_ALG_RSASSA || rsa.scheme.scheme == TPM2_ALG_RSAPSS;
  if (signs && rsa.scheme.details.anySig.hashAlg == TPM2_ALG_SHA256) return {};
  return Fail(Code::kUntrusted, "the attestation key names no RSA signing scheme with SHA-256",
              {.name = "ak-scheme"});
}

Result<tpm::PublicArea> ReadPublic(ByteView tpm2b) { return tpm::PublicArea::Parse(tpm2b); }

}  // namespace

Result<tpm::PublicArea> ReadAttestationKey(ByteView tpm2b) {
  ASSIGN_OR_RETURN(tpm::PublicArea key, ReadPublic(tpm2b), "attestation key");
  RETURN_IF_ERROR(CheckAttributes(key, kAttestationKeyRule), "attestation key");
  RETURN_IF_ERROR(CheckAkScheme(key), "attestation key");
  return key;
}

Result<tpm::PublicArea> ReadNodeKey(ByteView tpm2b) {
  ASSIGN_OR_RETURN(tpm::PublicArea key, ReadPublic(tpm2b), "node key");
  RETURN_IF_ERROR(CheckAttributes(key, kNodeKeyRule), "node key");
  RETURN_IF_ERROR(CheckP256(key, "node-key-scheme", "node key"), "node key");
  return key;
}

Result<tpm::PublicArea> ReadDevIdKey(ByteView tpm2b) {
  ASSIGN_OR_RETURN(tpm::PublicArea key, ReadPublic(tpm2b), "DevID's key");
  RETURN_IF_ERROR(CheckAttributes(key, kDevIdKeyRule), "DevID's key");
  if (key.key().type() == crypto::KeyType::kRsa)
    RETURN_IF_ERROR(CheckRsaStrength(key, "DevID's key"), "DevID's key");
  return key;
}

Result<EndorsementKey> ReadEndorsementKey(ByteView tpm2b) {
  ASSIGN_OR_RETURN(tpm::PublicArea area, ReadPublic(tpm2b), "endorsement key");
  const tpm::EkTemplate* made_from = tpm::MatchEkTemplate(area);
  if (made_from == nullptr) {
    return Fail(
        Code::kUntrusted,
        "the endorsement key does not follow a template of the TCG EK Credential Profile",
        {.name = "ek-template", .advice = "Present the EK that the profile's templates create."});
  }
  if (area.key().HasRocaFingerprint()) {
    return Fail(Code::kUntrusted, "the endorsement key has the ROCA weakness (CVE-2017-15361)",
                {.name = "key-weak",
                 .advice = "Update the TPM's firmware and use an ECC endorsement key."});
  }
  return EndorsementKey{.area = std::move(area), .made_from = made_from};
}

}  // namespace lodekey::attest
