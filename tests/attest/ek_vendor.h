// The maker of a chip, who certifies endorsement keys: well, and in the ways that are seen in the
// field and in attacks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <openssl/x509.h>

#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "tpm/public_area.h"

namespace lodekey::test {

inline constexpr const char* kEkUsage = "2.23.133.8.1";

// What is unusual about a certificate.
struct EkCertificateOptions {
  std::string usage = kEkUsage;  // extended key usage; empty: none
  bool ca = false;
  bool expired = false;                                 // in 2010; otherwise it never ends
  std::function<void(X509*, X509V3_CTX*)> extend = {};  // adds extensions
};

class EkVendor {
 public:
  // A root and an intermediate below it; `ca_intermediate` false: the intermediate lacks the CA
  // bit.
  explicit EkVendor(bool ca_intermediate = true);

  const crypto::Certificate& root() const { return root_; }
  const crypto::Certificate& intermediate() const { return intermediate_; }

  // By the root, or by the intermediate.
  crypto::Certificate Certify(const tpm::PublicArea& ek,
                              const EkCertificateOptions& options = {}) const;
  crypto::Certificate CertifyBelow(const tpm::PublicArea& ek,
                                   const EkCertificateOptions& options = {}) const;

 private:
  crypto::PrivateKey root_key_;
  crypto::PrivateKey intermediate_key_;
  crypto::Certificate root_;
  crypto::Certificate intermediate_;
};

// A critical extension that nobody understands.
void AddUnknownCritical(X509* x509, X509V3_CTX* context);
// The critical SAN with the chip's maker (tcg-at-tpmManufacturer) that stands in for an empty
// subject; that of AddTpmName is "id:4C4F4445".
std::function<void(X509*, X509V3_CTX*)> TpmName(std::string manufacturer);
void AddTpmName(X509* x509, X509V3_CTX* context);

}  // namespace lodekey::test
