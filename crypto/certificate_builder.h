// X.509 certificates that we write. The to-be-signed bytes exist before the signature, so that
// their digest can be recorded before anything is signed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"

namespace lodekey::crypto {

struct CertificateSpec {
  Bytes serial = {};              // 1 to 20 bytes, positive: RandomSerial()
  std::string common_name = {};   // subject CN; may be empty
  std::string organization = {};  // subject O; may be empty
  Time not_before = {};
  Time not_after = {};  // both rounded to whole seconds within
  std::vector<std::string> uri_sans = {};
  std::vector<std::string> dns_sans = {};
  bool ca = false;
  int path_length = -1;      // for a CA: -1 none
  bool client_auth = false;  // leaf: extended key usages
  bool server_auth = false;
};

// 16 random bytes with the top bit clear and the next one set: positive, and never shortened.
Bytes RandomSerial();

// The DER TBSCertificate for ECDSA-with-SHA256. `issuer` is the CA's certificate, or null for a
// self-signed certificate. Key usage, basic constraints, key identifiers follow from `spec`
// (RFC 5280; X.509-SVID section 4).
Result<Bytes> BuildTbsCertificate(const CertificateSpec& spec, const PublicKey& subject_key,
                                  const Certificate* issuer);

// SEQUENCE { tbs, ecdsa-with-SHA256, signature }: joins what was signed with its signature (DER
// ECDSA-Sig-Value) and parses the result.
Result<Certificate> AssembleCertificate(ByteView tbs, ByteView signature);

// Build, sign with `key`, assemble. For CA certificates and tests; leaves go through the issuer's
// Sign.
Result<Certificate> SignCertificate(const CertificateSpec& spec, const PublicKey& subject_key,
                                    const Certificate* issuer, const PrivateKey& key);

}  // namespace lodekey::crypto
