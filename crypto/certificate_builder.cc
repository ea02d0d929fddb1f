#include "crypto/certificate_builder.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/x509.h>

#include "base/writer.h"
#include "crypto/certificate_extensions.h"
#include "crypto/curve.h"
#include "crypto/der.h"
#include "crypto/spki.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

constexpr size_t kSerialSize = 16;
constexpr size_t kMaxSerialSize = 20;  // RFC 5280, section 4.1.2.2
constexpr size_t kMaxUri = 2048;       // SPIFFE-ID, section 2.3
constexpr size_t kMaxDns = 253;        // RFC 1035
constexpr long kVersion3 = 2;

// AlgorithmIdentifier of ecdsa-with-SHA256: RFC 5758, section 3.2, has no parameters.
constexpr std::array<uint8_t, 12> kEcdsaWithSha256 = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                                      0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

using X509Handle = CHandle<X509, X509_free>;

std::unexpected<Error> Bad(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text));
}

bool IsUri(const std::string& text) {
  return !text.empty() && text.size() <= kMaxUri &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool IsDnsName(const std::string& text) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*";
  return !text.empty() && text.size() <= kMaxDns &&
         text.find_first_not_of(kAllowed) == std::string::npos;
}

// Positive, and no longer than allowed once a leading bit needs a sign octet.
bool IsSerial(ByteView serial) {
  const bool zero = std::all_of(serial.begin(), serial.end(), [](uint8_t b) { return b == 0; });
  if (zero || serial.size() > kMaxSerialSize) return false;
  return serial.size() < kMaxSerialSize || serial.front() < 0x80;
}

Result<void> CheckSpec(const CertificateSpec& spec) {
  if (!IsSerial(spec.serial)) return Bad("the serial is not a positive number of 1 to 20 bytes");
  if (spec.not_after < spec.not_before) return Bad("the certificate would end before it begins");
  const bool named = !spec.common_name.empty() || !spec.organization.empty();
  if (!named && spec.ca) return Bad("a CA certificate needs a subject");
  if (!named && spec.uri_sans.empty() && spec.dns_sans.empty()) {
    return Bad("the certificate would name nobody");
  }
  for (const std::string& uri : spec.uri_sans) {
    if (!IsUri(uri)) return Bad("a URI name is empty, overlong or not printable ASCII");
  }
  for (const std::string& dns : spec.dns_sans) {
    if (!IsDnsName(dns)) return Bad("a DNS name is empty, overlong or has a forbidden character");
  }
  return {};
}

Result<void> AddName(X509_NAME* name, int nid, const std::string& text) {
  if (text.empty()) return {};
  // OpenSSL checks the UTF-8 and the upper bounds of RFC 5280, appendix A (64 characters).
  if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(text.data()),
                                 static_cast<int>(text.size()), -1, 0) != 1) {
    return FailSsl(Code::kInvalidArgument, fmt::format("'{}' cannot be a name", text));
  }
  return {};
}

Result<void> SetSubject(X509* x509, const CertificateSpec& spec) {
  CHandle<X509_NAME, X509_NAME_free> name(X509_NAME_new());
  RETURN_IF_ERROR(AddName(name.get(), NID_organizationName, spec.organization), "organization");
  RETURN_IF_ERROR(AddName(name.get(), NID_commonName, spec.common_name), "common name");
  return SslCheck(X509_set_subject_name(x509, name.get()), "set the subject");
}

Result<void> SetSerial(X509* x509, ByteView serial) {
  CHandle<BIGNUM, BN_free> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) == nullptr) {
    return FailSsl(Code::kInternal, "set the serial");
  }
  return {};
}

// UTCTime to 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5); whole seconds, rounded so
// that the validity never grows.
Result<void> SetValidity(X509* x509, Time not_before, Time not_after) {
  const auto first = std::chrono::ceil<std::chrono::seconds>(not_before).time_since_epoch();
  const auto last = std::chrono::floor<std::chrono::seconds>(not_after).time_since_epoch();
  if (ASN1_TIME_set(X509_getm_notBefore(x509), first.count()) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(x509), last.count()) == nullptr) {
    return FailSsl(Code::kInvalidArgument, "the validity cannot be written");
  }
  return {};
}

// As X509_set_pubkey; but for EC keys without OpenSSL's encoder, which takes longer than all else
// here.
Result<void> SetKey(X509* x509, const PublicKey& key) {
  const CurveInfo* curve = FindCurve(key.type());
  if (curve == nullptr) return SslCheck(X509_set_pubkey(x509, key.evp()), "set the key");
  const ByteView point = FindEcPoint(*curve, key.spki_der());
  void* copy = OPENSSL_memdup(point.data(), point.size());
  if (copy != nullptr &&
      X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x509), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                             V_ASN1_OBJECT, OBJ_nid2obj(curve->nid),
                             static_cast<unsigned char*>(copy),
                             static_cast<int>(point.size())) == 1) {
    return {};
  }
  OPENSSL_free(copy);
  return FailSsl(Code::kInternal, "set the key");
}

// OpenSSL sets this field only when it signs; the digest of these bytes is needed before that.
Result<void> SetInnerAlgorithm(X509* x509) {
  auto* algorithm = const_cast<X509_ALGOR*>(X509_get0_tbs_sigalg(x509));
  return SslCheck(
      X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_ecdsa_with_SHA256), V_ASN1_UNDEF, nullptr),
      "set the signature algorithm");
}

}  // namespace

Bytes RandomSerial() {
  Bytes serial = RandomBytes(kSerialSize);
  serial[0] = static_cast<uint8_t>((serial[0] & 0x3f) | 0x40);
  return serial;
}

Result<Bytes> BuildTbsCertificate(const CertificateSpec& spec, const PublicKey& subject_key,
                                  const Certificate* issuer) {
  RETURN_IF_ERROR(CheckSpec(spec), "certificate");
  X509Handle x509(X509_new());
  RETURN_IF_ERROR(SslCheck(X509_set_version(x509.get(), kVersion3), "set the version"),
                  "certificate");
  RETURN_IF_ERROR(SetSerial(x509.get(), spec.serial), "certificate");
  RETURN_IF_ERROR(SetSubject(x509.get(), spec), "certificate");
  const X509_NAME* issuer_name =
      X509_get_subject_name(issuer == nullptr ? x509.get() : issuer->x509());
  RETURN_IF_ERROR(SslCheck(X509_set_issuer_name(x509.get(), issuer_name), "set the issuer"),
                  "certificate");
  RETURN_IF_ERROR(SetValidity(x509.get(), spec.not_before, spec.not_after), "certificate");
  RETURN_IF_ERROR(SetKey(x509.get(), subject_key), "certificate");
  RETURN_IF_ERROR(AddExtensions(x509.get(), spec, subject_key, issuer), "certificate");
  RETURN_IF_ERROR(SetInnerAlgorithm(x509.get()), "certificate");
  return EncodeDer<i2d_re_X509_tbs>(x509.get(), "encode the certificate");
}

Result<Certificate> AssembleCertificate(ByteView tbs, ByteView signature) {
  if (tbs.size() + signature.size() > Certificate::kMaxDerSize) return Bad("too many bytes");
  Writer content;
  content.Raw(tbs).Raw(kEcdsaWithSha256);
  AppendDerHeader(content, kDerBitString, signature.size() + 1);
  content.U8(0).Raw(signature);  // no unused bits
  Writer certificate;
  AppendDerHeader(certificate, kDerSequence, content.view().size());
  certificate.Raw(content.view());
  return Certificate::FromDer(certificate.view());
}

Result<Certificate> SignCertificate(const CertificateSpec& spec, const PublicKey& subject_key,
                                    const Certificate* issuer, const PrivateKey& key) {
  if (key.public_key() != (issuer == nullptr ? subject_key : issuer->key())) {
    return Bad("the signing key is not the issuer's");
  }
  ASSIGN_OR_RETURN(const Bytes tbs, BuildTbsCertificate(spec, subject_key, issuer), "build");
  ASSIGN_OR_RETURN(const Bytes signature, key.Sign(SignatureScheme::kEcdsa, HashAlg::kSha256, tbs),
                   "sign");
  return AssembleCertificate(tbs, signature);
}

}  // namespace lodekey::crypto
