// X.509 certificates that others wrote: bounded, strict where trust hangs on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/handle.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/public_key.h"

namespace lodekey::crypto {

// Immutable, cheap to copy, thread-safe.
class Certificate {
 public:
  static constexpr size_t kMaxDerSize = 16384;

  // One certificate, nothing after it. Strict DER but for leading zeros in the serial number, which
  // some makers of endorsement keys write: see has_padded_serial().
  static Result<Certificate> FromDer(ByteView der);
  static Result<Certificate> FromPem(std::string_view pem);  // the first block
  static Result<std::vector<Certificate>> ListFromPem(std::string_view pem, size_t max = 64);
  // One behind the other, as the SPIFFE Workload API has them (5.2).
  static Result<std::vector<Certificate>> ListFromDer(ByteView der, size_t max = 64);

  const Bytes& der() const { return der_; }
  std::string ToPem() const;
  Sha256Digest Fingerprint() const;  // SHA-256 of the DER
  const PublicKey& key() const { return key_; }
  const Bytes& serial() const { return serial_; }  // big-endian magnitude without leading zeros
  Time not_before() const { return not_before_; }
  Time not_after() const { return not_after_; }
  bool is_ca() const { return is_ca_; }
  std::string subject() const;  // RFC 2253
  std::string issuer() const;
  std::vector<std::string> UriSans() const;
  std::vector<std::string> DnsSans() const;
  // Dotted object identifiers of the extended key usages; empty when the extension is absent.
  std::vector<std::string> ExtendedKeyUsages() const;
  // Object identifiers of critical extensions that this library does not understand.
  std::vector<std::string> UnknownCriticalExtensions() const;

  // The serial number has needless leading zeros. OpenSSL reads no such certificate: x509() then is
  // that of the same certificate without them, whose signature is judged by BuildChain alone.
  bool has_padded_serial() const { return has_padded_serial_; }

  // Whether `issuer` is the one this certificate names: subject and key identifier, not the
  // signature.
  bool NamesIssuer(const Certificate& issuer) const;

  X509* x509() const { return x509_.get(); }

 private:
  Certificate(std::shared_ptr<X509> x509, PublicKey key, Bytes der);

  std::shared_ptr<X509> x509_;
  PublicKey key_;
  Bytes der_;
  Bytes serial_;
  Time not_before_;
  Time not_after_;
  bool is_ca_ = false;
  bool has_padded_serial_ = false;
};

struct ChainOptions {
  std::optional<Time> at = {};  // nullopt: validity periods are not looked at
  bool partial = false;         // a trusted certificate need not be self-signed
  // Critical extensions that the caller has judged itself (the SAN of an EK certificate with an
  // empty subject is understood; nothing needs naming for it).
  std::vector<std::string> accepted_critical = {};
};

// Builds a path from `leaf` over `intermediates` (order and surplus do not matter) to one of
// `roots` and checks signatures, CA bits, path lengths and, if `at` is set, validity. Returns the
// path, leaf first, root last. kUntrusted with OpenSSL's reason when there is none. No purpose is
// checked: the caller looks at the extended key usages.
Result<std::vector<Certificate>> BuildChain(const Certificate& leaf,
                                            const std::vector<Certificate>& intermediates,
                                            const std::vector<Certificate>& roots,
                                            const ChainOptions& options);

}  // namespace lodekey::crypto
