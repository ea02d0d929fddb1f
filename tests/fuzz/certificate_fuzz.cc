// Certificate::FromDer and everything that can be asked of what it accepts.
#include <cstdint>
#include <cstdlib>

#include "crypto/certificate.h"
#include "crypto/certificate_use.h"
#include "crypto/directory_name.h"

namespace {

using lodekey::crypto::BuildChain;
using lodekey::crypto::Certificate;

void Require(bool ok) {
  if (!ok) std::abort();
}

void Exercise(const Certificate& certificate) {
  static_cast<void>(certificate.subject());
  static_cast<void>(certificate.issuer());
  static_cast<void>(certificate.UriSans());
  static_cast<void>(certificate.DnsSans());
  static_cast<void>(certificate.ExtendedKeyUsages());
  static_cast<void>(lodekey::crypto::SaysDigitalSignature(certificate));
  static_cast<void>(lodekey::crypto::CertificatePolicies(certificate));
  Require(lodekey::crypto::DirectoryNameAttributes(certificate, 3).size() <= 3);
  static_cast<void>(certificate.key().HasRocaFingerprint());
  static_cast<void>(lodekey::FormatTime(certificate.not_after()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto certificate = Certificate::FromDer({data, size});
  if (!certificate) return 0;
  Exercise(*certificate);

  const auto again = Certificate::FromPem(certificate->ToPem());
  Require(again && again->der() == certificate->der() && again->key() == certificate->key());
  // Trust in itself may or may not hold; trust in nothing must not.
  const auto unknown = certificate->UnknownCriticalExtensions();
  static_cast<void>(BuildChain(*certificate, {}, {*certificate},
                               {.partial = true, .accepted_critical = unknown}));
  Require(!BuildChain(*certificate, {*certificate}, {}, {.partial = true}));
  return 0;
}
