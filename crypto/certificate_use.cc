#include "crypto/certificate_use.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/handle.h"
#include "crypto/oid.h"

namespace lodekey::crypto {

bool SaysDigitalSignature(const Certificate& certificate) {
  // Without the extension OpenSSL answers that the key may do everything.
  const bool has_usage = (X509_get_extension_flags(certificate.x509()) & EXFLAG_KUSAGE) != 0;
  return has_usage && (X509_get_key_usage(certificate.x509()) & KU_DIGITAL_SIGNATURE) != 0;
}

std::vector<std::string> CertificatePolicies(const Certificate& certificate) {
  const CHandle<CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free> policies(
      static_cast<CERTIFICATEPOLICIES*>(
          X509_get_ext_d2i(certificate.x509(), NID_certificate_policies, nullptr, nullptr)));
  std::vector<std::string> dotted;
  for (int i = 0; i < sk_POLICYINFO_num(policies.get()); ++i)  // -1: no extension
    dotted.push_back(DottedOid(sk_POLICYINFO_value(policies.get(), i)->policyid));
  ERR_clear_error();
  return dotted;
}

}  // namespace lodekey::crypto
