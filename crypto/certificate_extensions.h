// The extensions of certificates that we write (RFC 5280, section 4.2; X.509-SVID, section 4).
// Private to crypto.
#pragma once

#include <openssl/x509.h>

#include "base/result.h"
#include "crypto/certificate_builder.h"

namespace lodekey::crypto {

// Basic constraints, key usages, alternative names and key identifiers, each with the criticality
// that the profile wants. The names of `spec` have been checked. `issuer` is null for a self-signed
// certificate.
Result<void> AddExtensions(X509* x509, const CertificateSpec& spec, const PublicKey& subject_key,
                           const Certificate* issuer);

}  // namespace lodekey::crypto
