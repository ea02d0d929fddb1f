#include "tests/support/software_tpm.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "base/handle.h"
#include "base/writer.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using SharedKey = std::shared_ptr<const crypto::PrivateKey>;
using BigNumber = CHandle<BIGNUM, BN_free>;

SharedKey Share(crypto::PrivateKey key) {
  return std::make_shared<const crypto::PrivateKey>(std::move(key));
}

SharedKey RsaKey(int bits, const std::string& slot) {
  if (slot.empty()) return Share(Must(crypto::PrivateKey::GenerateRsa(bits)));
  static std::mutex mutex;
  static std::map<std::pair<int, std::string>, SharedKey> cache;
  const std::lock_guard lock(mutex);
  SharedKey& cached = cache[{bits, slot}];
  if (!cached) cached = Share(Must(crypto::PrivateKey::GenerateRsa(bits)));
  return cached;
}

crypto::Curve CurveOf(TPM2_ECC_CURVE curve) {
  switch (curve) {
    case TPM2_ECC_NIST_P256: return crypto::Curve::kP256;
    case TPM2_ECC_NIST_P384: return crypto::Curve::kP384;
    default: throw std::runtime_error(fmt::format("no curve 0x{:04x} here", curve));
  }
}

Bytes Modulus(const crypto::PublicKey& key) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key.evp(), OSSL_PKEY_PARAM_RSA_N, &number) != 1) {
    throw std::runtime_error("no RSA modulus");
  }
  const BigNumber owner(number);
  Bytes bytes(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  return bytes;
}

// Fills a TPM2B; content that does not fit is a mistake in the test.
template <class Sized>
void Fill(Sized& target, auto& buffer, ByteView content) {
  if (content.size() > std::size(buffer)) throw std::runtime_error("too long for a TPM2B");
  target.size = static_cast<uint16_t>(content.size());
  std::ranges::copy(content, std::begin(buffer));
}

TPMT_PUBLIC Changed(TPMT_PUBLIC area, const ChangeArea& change) {
  if (change) change(area);
  return area;
}

TPMT_PUBLIC AkTemplate(TPM2_ALG_ID scheme) {
  return scheme == TPM2_ALG_ECDSA ? tpm::AttestationKeyTemplate()
                                  : RsaAttestationKeyTemplate(scheme);
}

struct Scheme {
  TPM2_ALG_ID scheme;
  crypto::HashAlg hash;
};

// What the key says it signs with; ECDSA or RSASSA with SHA-256 where it says nothing.
Scheme SchemeOf(const TPMT_PUBLIC& area) {
  TPM2_ALG_ID scheme = TPM2_ALG_NULL;
  TPM2_ALG_ID hash = TPM2_ALG_NULL;
  if (area.type == TPM2_ALG_ECC) {
    scheme = area.parameters.eccDetail.scheme.scheme;
    hash = area.parameters.eccDetail.scheme.details.anySig.hashAlg;
  } else {
    scheme = area.parameters.rsaDetail.scheme.scheme;
    hash = area.parameters.rsaDetail.scheme.details.anySig.hashAlg;
  }
  if (scheme != TPM2_ALG_NULL) return {scheme, Must(tpm::ToHashAlg(hash))};
  return {area.type == TPM2_ALG_ECC ? TPM2_ALG_ECDSA : TPM2_ALG_RSASSA, crypto::HashAlg::kSha256};
}

crypto::SignatureScheme ToSignatureScheme(TPM2_ALG_ID scheme) {
  switch (scheme) {
    case TPM2_ALG_ECDSA: return crypto::SignatureScheme::kEcdsa;
    case TPM2_ALG_RSASSA: return crypto::SignatureScheme::kRsaPkcs1;
    case TPM2_ALG_RSAPSS: return crypto::SignatureScheme::kRsaPss;
    default: throw std::runtime_error(fmt::format("no scheme 0x{:04x} here", scheme));
  }
}

void Patch(Bytes& bytes, size_t offset, const Writer& value) {
  std::ranges::copy(value.view(), bytes.begin() + static_cast<ptrdiff_t>(offset));
}

}  // namespace

SoftwareKey MakeSoftwareKey(TPMT_PUBLIC area, const std::string& rsa_slot) {
  SharedKey key;
  if (area.type == TPM2_ALG_RSA) {
    key = RsaKey(area.parameters.rsaDetail.keyBits, rsa_slot);
    Fill(area.unique.rsa, area.unique.rsa.buffer, Modulus(key->public_key()));
  } else {
    key = Share(Must(crypto::PrivateKey::GenerateEc(CurveOf(area.parameters.eccDetail.curveID))));
    const crypto::EcPoint point = Must(key->public_key().Point());
    Fill(area.unique.ecc.x, area.unique.ecc.x.buffer, point.x);
    Fill(area.unique.ecc.y, area.unique.ecc.y.buffer, point.y);
  }
  return {std::move(key), Must(tpm::PublicArea::FromTpmt(area))};
}

Bytes MarshalTpm2bPublic(const TPMT_PUBLIC& area) {
  return std::move(Writer().Sized16(Must(tpm::MarshalPublic(area)))).Finish();
}

Bytes ChangedTpm2bPublic(const tpm::PublicArea& area, const ChangeArea& change) {
  return MarshalTpm2bPublic(Changed(area.area(), change));
}

const tpm::EkTemplate& EkTemplateNamed(std::string_view name) {
  const auto found = std::ranges::find(tpm::EkTemplates(), name, &tpm::EkTemplate::name);
  if (found == tpm::EkTemplates().end()) throw std::runtime_error("no such template");
  return *found;
}

TPMT_PUBLIC RsaAttestationKeyTemplate(TPM2_ALG_ID scheme) {
  TPMT_PUBLIC area = tpm::AttestationKeyTemplate();
  area.type = TPM2_ALG_RSA;
  area.parameters = {};
  TPMS_RSA_PARMS& rsa = area.parameters.rsaDetail;
  rsa.symmetric.algorithm = TPM2_ALG_NULL;
  rsa.scheme.scheme = scheme;
  rsa.scheme.details.anySig.hashAlg = TPM2_ALG_SHA256;
  rsa.keyBits = 2048;
  return area;
}

SoftwareTpm::SoftwareTpm(const SoftwareTpmOptions& options)
    : options_(options),
      ek_(MakeSoftwareKey(Changed(EkTemplateNamed(options.ek_template).area, options.change_ek),
                          fmt::format("ek{}", options.chip))),
      ak_(MakeSoftwareKey(Changed(AkTemplate(options.ak_scheme), options.change_ak),
                          fmt::format("ak{}", options.chip))),
      node_key_(MakeSoftwareKey(Changed(tpm::NodeKeyTemplate(), options.change_node_key),
                                fmt::format("node{}", options.chip))) {}

SignedAttestation SoftwareTpm::Quote(const tpm::PcrSelection& selection,
                                     const std::vector<tpm::PcrBank>& banks, ByteView qualifying,
                                     const AttestChanges& changes) const {
  TPMS_ATTEST attest = Header(TPM2_ST_ATTEST_QUOTE, qualifying, changes);
  TPMS_QUOTE_INFO& quote = attest.attested.quote;
  quote.pcrSelect = tpm::ToTpml(changes.selection.value_or(selection));
  const crypto::HashAlg hash = changes.digest_hash.value_or(SchemeOf(ak_.area.area()).hash);
  const Bytes digest = changes.pcr_digest ? *changes.pcr_digest
                                          : Must(tpm::ComputePcrDigest(selection, banks, hash));
  Fill(quote.pcrDigest, quote.pcrDigest.buffer, digest);
  return Sign(attest, changes);
}

SignedAttestation SoftwareTpm::Certify(ByteView qualifying, const AttestChanges& changes) const {
  return Certify(node_key_.area, options_.node_key_hierarchy, qualifying, changes);
}

SignedAttestation SoftwareTpm::Certify(const tpm::PublicArea& object, TPM2_HANDLE hierarchy,
                                       ByteView qualifying, const AttestChanges& changes) const {
  TPMS_ATTEST attest = Header(TPM2_ST_ATTEST_CERTIFY, qualifying, changes);
  TPMS_CERTIFY_INFO& certify = attest.attested.certify;
  const tpm::Name qualified = Must(tpm::QualifiedNameOfPrimary(object, hierarchy));
  Fill(certify.name, certify.name.name, changes.certified_name.value_or(object.name()));
  Fill(certify.qualifiedName, certify.qualifiedName.name,
       changes.certified_qualified_name.value_or(qualified));
  return Sign(attest, changes);
}

Result<crypto::Secret> SoftwareTpm::ActivateCredential(const tpm::Credential& credential) const {
  return ActivateCredential(credential, ak_.area.name());
}

Result<crypto::Secret> SoftwareTpm::ActivateCredential(const tpm::Credential& credential,
                                                       const tpm::Name& name) const {
  return tpm::ActivateInSoftware(ek_.area, *ek_.key, name, credential);
}

TPMS_ATTEST SoftwareTpm::Header(TPM2_ST type, ByteView qualifying,
                                const AttestChanges& changes) const {
  const tpm::ClockInfo info = changes.clock.value_or(clock);
  TPMS_ATTEST attest = {};
  attest.magic = TPM2_GENERATED_VALUE;
  attest.type = type;
  Fill(attest.qualifiedSigner, attest.qualifiedSigner.name,
       changes.qualified_signer.value_or(
           Must(tpm::QualifiedNameOfPrimary(ak_.area, options_.ak_hierarchy))));
  Fill(attest.extraData, attest.extraData.buffer, changes.extra_data.value_or(ToBytes(qualifying)));
  attest.clockInfo = {.clock = info.clock,
                      .resetCount = info.reset_count,
                      .restartCount = info.restart_count,
                      .safe = static_cast<TPMI_YES_NO>(info.safe ? TPM2_YES : TPM2_NO)};
  attest.firmwareVersion = changes.firmware_version.value_or(firmware_version);
  return attest;
}

SignedAttestation SoftwareTpm::Sign(TPMS_ATTEST attest, const AttestChanges& changes) const {
  if (changes.attest) changes.attest(attest);
  Bytes bytes = Must(tpm::MarshalAttestation(attest));
  if (changes.magic) Patch(bytes, 0, Writer().U32Be(*changes.magic));
  if (changes.type) Patch(bytes, sizeof(TPM2_GENERATED), Writer().U16Be(*changes.type));
  if (changes.bytes) changes.bytes(bytes);

  const SoftwareKey& signer = changes.signer != nullptr ? *changes.signer : ak_;
  const Scheme own = SchemeOf(signer.area.area());
  const TPM2_ALG_ID scheme = changes.scheme.value_or(own.scheme);
  const crypto::HashAlg hash = changes.hash.value_or(own.hash);
  const Bytes raw = Must(signer.key->Sign(ToSignatureScheme(scheme), hash, bytes));
  Bytes signature = Must(tpm::MarshalSignature(scheme, hash, raw));
  if (changes.signature) changes.signature(signature);
  return {std::move(bytes), std::move(signature)};
}

}  // namespace lodekey::test
