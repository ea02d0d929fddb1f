// What keys of a Device sign: quotes, certifications, digests.
#include <algorithm>

#include <fmt/format.h>
#include <tss2/tss2_esys.h>

#include "tpm/device.h"
#include "tpm/device_call.h"
#include "tpm/signature.h"

namespace lodekey::tpm {
namespace {

// A nonce or a digest made with SHA-256; smaller than the 34 bytes every TPM takes.
constexpr size_t kMaxQualifying = 32;
constexpr size_t kSha256Size = 32;

// The key's own scheme signs.
constexpr TPMT_SIG_SCHEME kOwnScheme{.scheme = TPM2_ALG_NULL, .details = {}};

Result<TPM2B_DATA> Qualifying(ByteView bytes) {
  if (bytes.size() > kMaxQualifying) {
    return Fail(Code::kInvalidArgument, fmt::format("qualifying data has {} bytes, at most {}",
                                                    bytes.size(), kMaxQualifying));
  }
  TPM2B_DATA data{};
  data.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), data.buffer);
  return data;
}

ByteView View(const TPM2B_ECC_PARAMETER& number) { return {number.buffer, number.size}; }

Bytes ToDer(const TPMS_SIGNATURE_ECDSA& signature) {
  return EcdsaSignatureToDer(View(signature.signatureR), View(signature.signatureS));
}

Result<Bytes> ToTpmt(const TPMT_SIGNATURE& signature) {
  if (signature.sigAlg != TPM2_ALG_ECDSA) {
    return Fail(Code::kHardware,
                fmt::format("signature algorithm {:#06x} is not ECDSA", signature.sigAlg),
                {.name = "tpm-failed"});
  }
  ASSIGN_OR_RETURN(const crypto::HashAlg hash, ToHashAlg(signature.signature.ecdsa.hash),
                   "read the signature");
  return MarshalSignature(TPM2_ALG_ECDSA, hash, ToDer(signature.signature.ecdsa));
}

Result<Quoted> ToQuoted(const TPM2B_ATTEST& attest, const TPMT_SIGNATURE& signature) {
  ASSIGN_OR_RETURN(Bytes marshalled, ToTpmt(signature), "TPM");
  const ByteView attested{attest.attestationData, attest.size};
  return Quoted{.attest = ToBytes(attested), .signature = std::move(marshalled)};
}

std::string FormatSelection(const PcrSelection& selection) {
  std::string text;
  for (const BankSelection& bank : selection) {
    if (!text.empty()) text += '+';
    text += fmt::format("{}:{}", crypto::HashName(bank.bank), FormatPcrMask(bank.mask));
  }
  return text;
}

}  // namespace

Result<Quoted> Device::Certify(const LoadedKey& object, const LoadedKey& ak, ByteView qualifying) {
  ASSIGN_OR_RETURN(const TPM2B_DATA data, Qualifying(qualifying), "certify a key");
  ASSIGN_OR_RETURN(const ESYS_TR session, Session(), "certify a key");
  // Unsalted, so it is the AK's: the HMAC is keyed by the 32 random bytes of its authValue, and no
  // parameter is secret. The authorisation of the object may be one that a person chose.
  ASSIGN_OR_RETURN(Handle second, StartOneShot(TPM2_SE_HMAC, TPM2_ALG_SHA256), "certify a key");
  TPM2B_ATTEST* attest = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_Certify(esys_, object.handle.tr(), ak.handle.tr(), session,
                                        second.tr(), ESYS_TR_NONE, &data, &kOwnScheme, &attest,
                                        &signature);
                  }),
                  "certify a key");
  const EsysPtr<TPM2B_ATTEST> attest_owner(attest);
  const EsysPtr<TPMT_SIGNATURE> signature_owner(signature);
  second.Release();
  return ToQuoted(*attest, *signature);
}

Result<Quoted> Device::Quote(const LoadedKey& ak, const PcrSelection& selection,
                             ByteView qualifying) {
  const std::string what = fmt::format("quote PCRs {}", FormatSelection(selection));
  ASSIGN_OR_RETURN(const TPM2B_DATA data, Qualifying(qualifying), what);
  ASSIGN_OR_RETURN(const ESYS_TR session, Session(), what);
  const TPML_PCR_SELECTION pcrs = ToTpml(selection);
  TPM2B_ATTEST* attest = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_Quote(esys_, ak.handle.tr(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                                      &data, &kOwnScheme, &pcrs, &attest, &signature);
                  }),
                  what);
  const EsysPtr<TPM2B_ATTEST> attest_owner(attest);
  const EsysPtr<TPMT_SIGNATURE> signature_owner(signature);
  return ToQuoted(*attest, *signature);
}

Result<Bytes> Device::SignDigest(const LoadedKey& key, ByteView digest) {
  if (digest.size() != kSha256Size) {
    return Fail(Code::kInvalidArgument,
                fmt::format("sign a digest: {} bytes, not {}", digest.size(), kSha256Size));
  }
  TPM2B_DIGEST hashed{};
  hashed.size = kSha256Size;
  std::copy(digest.begin(), digest.end(), hashed.buffer);
  ASSIGN_OR_RETURN(const ESYS_TR session, Session(), "sign a digest");
  const TPMT_SIG_SCHEME scheme{.scheme = TPM2_ALG_ECDSA,
                               .details = {.ecdsa = {.hashAlg = TPM2_ALG_SHA256}}};
  // The null ticket: an unrestricted key signs digests that the TPM did not make (part 3, 20.2).
  const TPMT_TK_HASHCHECK ticket{.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL, .digest = {}};
  TPMT_SIGNATURE* signature = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_Sign(esys_, key.handle.tr(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &hashed, &scheme, &ticket, &signature);
                  }),
                  "sign a digest");
  const EsysPtr<TPMT_SIGNATURE> signature_owner(signature);
  return ToDer(signature->signature.ecdsa);
}

}  // namespace lodekey::tpm
