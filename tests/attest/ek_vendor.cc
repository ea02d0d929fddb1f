#include "tests/attest/ek_vendor.h"

#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/handle.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using X509Handle = CHandle<X509, X509_free>;
using ExtensionHandle = CHandle<X509_EXTENSION, X509_EXTENSION_free>;

void Check(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL does not make the certificate");
}

crypto::PrivateKey NewKey() { return Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256)); }

void Add(X509* x509, X509V3_CTX* context, int nid, const char* value) {
  const ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, context, nid, value));
  Check(extension != nullptr && X509_add_ext(x509, extension.get(), -1) == 1);
}

void SetPeriod(X509* x509, bool expired) {
  Check(ASN1_TIME_set_string_X509(X509_getm_notBefore(x509), "20000101000000Z") == 1);
  Check(ASN1_TIME_set_string_X509(X509_getm_notAfter(x509),
                                  expired ? "20100101000000Z" : "99991231235959Z") == 1);
}

// The name of the certificate; an endorsement key has none.
void SetSubject(X509* x509, const std::string& name) {
  if (name.empty()) return;
  const auto* text = reinterpret_cast<const unsigned char*>(name.data());
  Check(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8, text,
                                   static_cast<int>(name.size()), -1, 0) == 1);
}

crypto::Certificate Sign(const std::string& name, const crypto::PublicKey& key, X509* issuer,
                         const crypto::PrivateKey& issuer_key,
                         const EkCertificateOptions& options) {
  const X509Handle x509(X509_new());
  Check(X509_set_version(x509.get(), X509_VERSION_3) == 1);
  Check(ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 7) == 1);
  SetPeriod(x509.get(), options.expired);
  SetSubject(x509.get(), name);
  Check(X509_set_pubkey(x509.get(), key.evp()) == 1);
  X509* const signer = issuer == nullptr ? x509.get() : issuer;
  Check(X509_set_issuer_name(x509.get(), X509_get_subject_name(signer)) == 1);

  X509V3_CTX context;
  X509V3_set_ctx(&context, signer, x509.get(), nullptr, nullptr, 0);
  Add(x509.get(), &context, NID_basic_constraints, options.ca ? "critical,CA:TRUE" : "CA:FALSE");
  Add(x509.get(), &context, NID_subject_key_identifier, "hash");
  Add(x509.get(), &context, NID_authority_key_identifier, "keyid");
  if (!options.usage.empty()) Add(x509.get(), &context, NID_ext_key_usage, options.usage.c_str());
  if (options.extend) options.extend(x509.get(), &context);
  Check(X509_sign(x509.get(), issuer_key.evp(), EVP_sha256()) > 0);

  unsigned char* der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  Check(size > 0);
  const CHandle<unsigned char, [](unsigned char* bytes) { OPENSSL_free(bytes); }> owner(der);
  return Must(crypto::Certificate::FromDer({der, static_cast<size_t>(size)}));
}

void AddTpmNameOf(X509* x509, const std::string& manufacturer) {
  const CHandle<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  GENERAL_NAME* const name = GENERAL_NAME_new();
  X509_NAME* const directory = X509_NAME_new();
  const CHandle<ASN1_OBJECT, ASN1_OBJECT_free> attribute(OBJ_txt2obj("2.23.133.2.1", 1));
  Check(X509_NAME_add_entry_by_OBJ(directory, attribute.get(), MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(manufacturer.data()),
                                   static_cast<int>(manufacturer.size()), -1, 0) == 1);
  GENERAL_NAME_set0_value(name, GEN_DIRNAME, directory);
  Check(sk_GENERAL_NAME_push(names.get(), name) > 0);
  Check(X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(), 1, 0) == 1);
}

}  // namespace

EkVendor::EkVendor(bool ca_intermediate)
    : root_key_(NewKey()),
      intermediate_key_(NewKey()),
      root_(
          Sign("TPM root", root_key_.public_key(), nullptr, root_key_, {.usage = "", .ca = true})),
      intermediate_(Sign("TPM issuing CA", intermediate_key_.public_key(), root_.x509(), root_key_,
                         {.usage = "", .ca = ca_intermediate})) {}

crypto::Certificate EkVendor::Certify(const tpm::PublicArea& ek,
                                      const EkCertificateOptions& options) const {
  return Sign("", ek.key(), root_.x509(), root_key_, options);
}

crypto::Certificate EkVendor::CertifyBelow(const tpm::PublicArea& ek,
                                           const EkCertificateOptions& options) const {
  return Sign("", ek.key(), intermediate_.x509(), intermediate_key_, options);
}

void AddUnknownCritical(X509* x509, X509V3_CTX* context) {
  const ExtensionHandle extension(
      X509V3_EXT_conf(nullptr, context, "1.3.6.1.4.1.55555.1", "critical,DER:0500"));
  Check(extension != nullptr && X509_add_ext(x509, extension.get(), -1) == 1);
}

std::function<void(X509*, X509V3_CTX*)> TpmName(std::string manufacturer) {
  return [manufacturer = std::move(manufacturer)](X509* x509, X509V3_CTX*) {
    AddTpmNameOf(x509, manufacturer);
  };
}

void AddTpmName(X509* x509, X509V3_CTX*) { AddTpmNameOf(x509, "id:4C4F4445"); }

}  // namespace lodekey::test
