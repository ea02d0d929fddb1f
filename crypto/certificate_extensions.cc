#include "crypto/certificate_extensions.h"

#include <openssl/x509v3.h>

#include "base/handle.h"
#include "crypto/curve.h"
#include "crypto/spki.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

// Bits of KeyUsage by their number in RFC 5280, section 4.2.1.3.
constexpr int kDigitalSignature = 0;
constexpr int kKeyCertSign = 5;
constexpr int kCrlSign = 6;
constexpr size_t kKeyIdSize = 20;

using OctetString = CHandle<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;

Result<void> Add(X509* x509, int nid, void* value, bool critical) {
  return SslCheck(X509_add1_ext_i2d(x509, nid, value, critical ? 1 : 0, X509V3_ADD_DEFAULT),
                  std::string("add the extension ") + OBJ_nid2sn(nid));
}

Result<void> AddBasicConstraints(X509* x509, const CertificateSpec& spec) {
  CHandle<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(BASIC_CONSTRAINTS_new());
  if (constraints == nullptr) return FailSsl(Code::kInternal, "make basic constraints");
  constraints->ca = spec.ca ? 0xff : 0;
  if (spec.ca && spec.path_length >= 0) {
    constraints->pathlen = ASN1_INTEGER_new();
    RETURN_IF_ERROR(SslCheck(ASN1_INTEGER_set(constraints->pathlen, spec.path_length), "set it"),
                    "path length");
  }
  return Add(x509, NID_basic_constraints, constraints.get(), true);
}

Result<void> AddKeyUsage(X509* x509, bool ca) {
  CHandle<ASN1_BIT_STRING, ASN1_BIT_STRING_free> usage(ASN1_BIT_STRING_new());
  const bool set = ca ? ASN1_BIT_STRING_set_bit(usage.get(), kKeyCertSign, 1) == 1 &&
                            ASN1_BIT_STRING_set_bit(usage.get(), kCrlSign, 1) == 1
                      : ASN1_BIT_STRING_set_bit(usage.get(), kDigitalSignature, 1) == 1;
  if (!set) return FailSsl(Code::kInternal, "make the key usage");
  return Add(x509, NID_key_usage, usage.get(), true);
}

Result<void> AddExtendedKeyUsage(X509* x509, const CertificateSpec& spec) {
  if (!spec.client_auth && !spec.server_auth) return {};
  CHandle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usages(sk_ASN1_OBJECT_new_null());
  // The objects are static: freeing the stack leaves them alone.
  if (spec.server_auth) sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(NID_server_auth));
  if (spec.client_auth) sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(NID_client_auth));
  return Add(x509, NID_ext_key_usage, usages.get(), false);
}

bool PushName(GENERAL_NAMES* names, int type, const std::string& text) {
  CHandle<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  CHandle<ASN1_IA5STRING, ASN1_IA5STRING_free> value(ASN1_IA5STRING_new());
  if (name == nullptr || value == nullptr ||
      ASN1_STRING_set(value.get(), text.data(), static_cast<int>(text.size())) != 1) {
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return false;
  name.release();  // NOLINT(bugprone-unused-return-value): now owned by `names`
  return true;
}

Result<void> AddAlternativeNames(X509* x509, const CertificateSpec& spec) {
  if (spec.uri_sans.empty() && spec.dns_sans.empty()) return {};
  CHandle<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  bool pushed = names != nullptr;
  for (const std::string& uri : spec.uri_sans) {
    pushed = pushed && PushName(names.get(), GEN_URI, uri);
  }
  for (const std::string& dns : spec.dns_sans) {
    pushed = pushed && PushName(names.get(), GEN_DNS, dns);
  }
  if (!pushed) return FailSsl(Code::kInternal, "make the alternative names");
  // RFC 5280, section 4.2.1.6: the names carry the identity when the subject is empty.
  const bool critical = X509_NAME_entry_count(X509_get_subject_name(x509)) == 0;
  return Add(x509, NID_subject_alt_name, names.get(), critical);
}

// The content of the BIT STRING. For EC keys without OpenSSL's encoder, as in the builder.
Result<Bytes> KeyBits(const PublicKey& key) {
  if (const CurveInfo* curve = FindCurve(key.type()))
    return ToBytes(FindEcPoint(*curve, key.spki_der()));
  CHandle<X509_PUBKEY, X509_PUBKEY_free> spki;
  X509_PUBKEY* made = nullptr;
  if (X509_PUBKEY_set(&made, key.evp()) != 1) return FailSsl(Code::kInternal, "look at a key");
  spki.reset(made);
  const unsigned char* bits = nullptr;
  int size = 0;
  X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, spki.get());
  return ToBytes(ByteView(bits, static_cast<size_t>(size)));
}

// RFC 7093, section 2, method 1: 160 bits of SHA-256 over the BIT STRING of the key.
Result<OctetString> KeyId(const PublicKey& key) {
  ASSIGN_OR_RETURN(const Bytes bits, KeyBits(key), "key identifier");
  const Sha256Digest digest = Sha256(bits);
  OctetString id(ASN1_OCTET_STRING_new());
  RETURN_IF_ERROR(SslCheck(ASN1_OCTET_STRING_set(id.get(), digest.data(), kKeyIdSize), "set it"),
                  "key identifier");
  return id;
}

Result<OctetString> IssuerKeyId(const Certificate& issuer) {
  const ASN1_OCTET_STRING* written = X509_get0_subject_key_id(issuer.x509());
  if (written == nullptr) return KeyId(issuer.key());
  OctetString copy(ASN1_OCTET_STRING_dup(written));
  if (copy == nullptr) return FailSsl(Code::kInternal, "copy the issuer's key identifier");
  return copy;
}

Result<void> AddKeyIds(X509* x509, const PublicKey& subject_key, const Certificate* issuer) {
  ASSIGN_OR_RETURN(const OctetString subject_id, KeyId(subject_key), "subject");
  RETURN_IF_ERROR(Add(x509, NID_subject_key_identifier, subject_id.get(), false), "subject");
  if (issuer == nullptr) return {};
  CHandle<AUTHORITY_KEYID, AUTHORITY_KEYID_free> authority(AUTHORITY_KEYID_new());
  if (authority == nullptr) return FailSsl(Code::kInternal, "make an authority key identifier");
  ASSIGN_OR_RETURN(OctetString issuer_id, IssuerKeyId(*issuer), "issuer");
  authority->keyid = issuer_id.release();
  return Add(x509, NID_authority_key_identifier, authority.get(), false);
}

}  // namespace

Result<void> AddExtensions(X509* x509, const CertificateSpec& spec, const PublicKey& subject_key,
                           const Certificate* issuer) {
  RETURN_IF_ERROR(AddBasicConstraints(x509, spec), "extensions");
  RETURN_IF_ERROR(AddKeyUsage(x509, spec.ca), "extensions");
  RETURN_IF_ERROR(AddExtendedKeyUsage(x509, spec), "extensions");
  RETURN_IF_ERROR(AddAlternativeNames(x509, spec), "extensions");
  return AddKeyIds(x509, subject_key, issuer);
}

}  // namespace lodekey::crypto
