#include "crypto/certificate.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/der.h"
#include "crypto/encoding.h"
#include "crypto/oid.h"
#include "crypto/padded_serial.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

constexpr std::string_view kLabel = "CERTIFICATE";
constexpr size_t kMaxPemBlocks = 64;

using GeneralNames = CHandle<GENERAL_NAMES, GENERAL_NAMES_free>;
using KeyUsages = CHandle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

// UTCTime and GeneralizedTime alike; the year 9999 (RFC 5280, section 4.1.2.5) fits.
Result<Time> ToTime(const ASN1_TIME* encoded) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(encoded, &parts) != 1) {
    return FailSsl(Code::kInvalidArgument, "the certificate has a malformed time");
  }
  const std::chrono::year_month_day date(
      std::chrono::year(parts.tm_year + 1900),
      std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
      std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
  return Time(std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) +
              std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec));
}

std::string NameText(const X509_NAME* name) {
  CHandle<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string Characters(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

// The subject alternative names of one kind, GEN_URI or GEN_DNS.
std::vector<std::string> SansOfKind(const X509* x509, int kind) {
  GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> sans;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type == kind) sans.push_back(Characters(static_cast<const ASN1_STRING*>(value)));
  }
  return sans;
}

// OpenSSL has no key for a certificate whose RSA key wears an OAEP or a bare PSS identifier, as
// some endorsement keys do, and would refuse every path from it. The bytes that were signed stay
// as they are: only the decoded key is put in place.
Result<void> SupplyKey(X509* x509, const PublicKey& key) {
  if (X509_get0_pubkey(x509) != nullptr) return {};
  ERR_clear_error();
  return SslCheck(X509_set_pubkey(x509, key.evp()), "supply the decoded key");
}

Result<PublicKey> KeyOf(X509* x509) {
  if (EVP_PKEY* decoded = X509_get0_pubkey(x509); decoded != nullptr) {
    return PublicKey::FromEvp(decoded);
  }
  ERR_clear_error();
  ASSIGN_OR_RETURN(
      const Bytes spki,
      EncodeDer<i2d_X509_PUBKEY>(X509_get_X509_PUBKEY(x509), "encode the certificate's key"),
      "certificate");
  return PublicKey::FromSpkiDer(spki);
}

}  // namespace

Certificate::Certificate(std::shared_ptr<X509> x509, PublicKey key, Bytes der)
    : x509_(std::move(x509)), key_(std::move(key)), der_(std::move(der)) {}

Result<Certificate> Certificate::FromDer(ByteView der) {
  if (der.size() > kMaxDerSize) {
    return Fail(Code::kInvalidArgument, fmt::format("a certificate of {} bytes, at most {} allowed",
                                                    der.size(), kMaxDerSize));
  }
  const std::optional<Bytes> repaired = WithMinimalSerial(der);
  const ByteView readable = repaired ? ByteView(*repaired) : der;
  const unsigned char* at = readable.data();
  CHandle<X509, X509_free> x509(d2i_X509(nullptr, &at, static_cast<long>(readable.size())));
  if (x509 == nullptr) return FailSsl(Code::kInvalidArgument, "not a certificate");
  if (at != readable.data() + readable.size()) {
    return Fail(Code::kInvalidArgument, "there are bytes after the certificate");
  }
  ASSIGN_OR_RETURN(PublicKey key, KeyOf(x509.get()), "certificate");
  RETURN_IF_ERROR(SupplyKey(x509.get(), key), "certificate");
  const uint32_t flags = X509_get_extension_flags(x509.get());
  if ((flags & EXFLAG_INVALID) != 0) {
    return FailSsl(Code::kInvalidArgument, "the certificate has malformed or repeated extensions");
  }
  ASSIGN_OR_RETURN(const Time not_before, ToTime(X509_get0_notBefore(x509.get())), "notBefore");
  ASSIGN_OR_RETURN(const Time not_after, ToTime(X509_get0_notAfter(x509.get())), "notAfter");
  const ASN1_INTEGER* serial = X509_get0_serialNumber(x509.get());

  Certificate certificate(std::move(x509), std::move(key), ToBytes(der));
  certificate.has_padded_serial_ = repaired.has_value();
  certificate.serial_ = ToBytes(Characters(serial));
  certificate.not_before_ = not_before;
  certificate.not_after_ = not_after;
  certificate.is_ca_ = (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
  return certificate;
}

Result<Certificate> Certificate::FromPem(std::string_view pem) {
  ASSIGN_OR_RETURN(const std::vector<Bytes> blocks, ParsePem(pem, kLabel, kMaxPemBlocks),
                   "certificate");
  if (blocks.empty()) return Fail(Code::kInvalidArgument, "there is no CERTIFICATE block");
  return FromDer(blocks.front());
}

Result<std::vector<Certificate>> Certificate::ListFromPem(std::string_view pem, size_t max) {
  ASSIGN_OR_RETURN(const std::vector<Bytes> blocks, ParsePem(pem, kLabel, max), "certificates");
  std::vector<Certificate> certificates;
  for (const Bytes& block : blocks) {
    ASSIGN_OR_RETURN(Certificate certificate, FromDer(block),
                     fmt::format("certificate {}", certificates.size() + 1));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

Result<std::vector<Certificate>> Certificate::ListFromDer(ByteView der, size_t max) {
  std::vector<Certificate> certificates;
  for (Reader in(der, "certificates"); !in.AtEnd();) {
    if (certificates.size() == max)
      return Fail(Code::kInvalidArgument, fmt::format("more than {} certificates", max));
    const size_t begin = in.offset();
    RETURN_IF_ERROR(TakeDerElement(in, kDerSequence), "certificates");
    ASSIGN_OR_RETURN(Certificate certificate, FromDer(der.subspan(begin, in.offset() - begin)),
                     fmt::format("certificate {}", certificates.size() + 1));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

std::string Certificate::ToPem() const { return crypto::ToPem(kLabel, der_); }

Sha256Digest Certificate::Fingerprint() const { return Sha256(der_); }

bool Certificate::NamesIssuer(const Certificate& issuer) const {
  return X509_check_issued(issuer.x509(), x509()) == X509_V_OK;
}

std::string Certificate::subject() const { return NameText(X509_get_subject_name(x509())); }

std::string Certificate::issuer() const { return NameText(X509_get_issuer_name(x509())); }

std::vector<std::string> Certificate::UriSans() const { return SansOfKind(x509(), GEN_URI); }

std::vector<std::string> Certificate::DnsSans() const { return SansOfKind(x509(), GEN_DNS); }

std::vector<std::string> Certificate::ExtendedKeyUsages() const {
  KeyUsages usages(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(x509(), NID_ext_key_usage, nullptr, nullptr)));
  const int count = std::max(sk_ASN1_OBJECT_num(usages.get()), 0);  // -1: no extension
  std::vector<std::string> dotted;
  dotted.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    dotted.push_back(DottedOid(sk_ASN1_OBJECT_value(usages.get(), i)));
  }
  return dotted;
}

std::vector<std::string> Certificate::UnknownCriticalExtensions() const {
  std::vector<std::string> unknown;
  for (int i = 0; i < X509_get_ext_count(x509()); ++i) {
    X509_EXTENSION* extension = X509_get_ext(x509(), i);
    if (X509_EXTENSION_get_critical(extension) == 1 && X509_supported_extension(extension) == 0) {
      unknown.push_back(DottedOid(X509_EXTENSION_get_object(extension)));
    }
  }
  return unknown;
}

}  // namespace lodekey::crypto
