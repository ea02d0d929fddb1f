// What a certificate says that its key is for (RFC 5280, section 4.2.1), besides
// Certificate::ExtendedKeyUsages.
#pragma once

#include <string>
#include <vector>

#include "crypto/certificate.h"

namespace lodekey::crypto {

// Whether its key usage (4.2.1.3) has digitalSignature. A certificate without the extension says
// nothing of the kind.
bool SaysDigitalSignature(const Certificate& certificate);

// Dotted object identifiers of its certificate policies (4.2.1.4); empty when it has none.
std::vector<std::string> CertificatePolicies(const Certificate& certificate);

}  // namespace lodekey::crypto
