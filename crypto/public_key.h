// Public keys of others: endorsement keys, attestation keys, certificate keys.
#pragma once

#include <optional>
#include <string>

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/handle.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

namespace lodekey::crypto {

enum class KeyType { kRsa, kEcP256, kEcP384, kEcP521, kOther };
enum class Curve { kP256, kP384, kP521 };
enum class SignatureScheme { kEcdsa, kRsaPkcs1, kRsaPss };

using EvpKey = CHandle<EVP_PKEY, EVP_PKEY_free>;

// Affine coordinates, big-endian, each left-padded to the size of the field.
struct EcPoint {
  Bytes x;
  Bytes y;
};

// Immutable; shares the EVP_PKEY on copy. Thread-safe for verification.
class PublicKey {
 public:
  // DER SubjectPublicKeyInfo, at most 4 KiB, nothing after it; RSA keys as FromRsa takes them, with
  // the exponent written out. Types and curves that have no name here become kOther. An RSASSA-PSS
  // or RSAES-OAEP algorithm identifier on an RSA key is accepted (some endorsement keys carry it)
  // and normalised.
  static Result<PublicKey> FromSpkiDer(ByteView der);
  // Big-endian modulus of 1024 to 4096 bits; exponent 0 means 65537 (TPM convention), else odd >
  // 2^16. Keys with the ROCA fingerprint (CVE-2017-15361) parse; HasRocaFingerprint tells.
  static Result<PublicKey> FromRsa(ByteView modulus, uint32_t exponent);
  // Coordinates may lack leading zeros. Fails with kUntrusted when the point is not on the curve or
  // is the point at infinity.
  static Result<PublicKey> FromEcPoint(Curve curve, const EcPoint& point);
  // The public half of `key`, under the same rules. RSA and EC keys are copied, so that evp() never
  // reaches a private part; of other types a reference is taken.
  static Result<PublicKey> FromEvp(EVP_PKEY* key);

  KeyType type() const { return type_; }
  int bits() const;
  // The DER SubjectPublicKeyInfo that identifies the key: rsaEncryption or id-ecPublicKey with a
  // named curve and an uncompressed point.
  const Bytes& spki_der() const { return spki_der_; }
  const Sha256Digest& spki_sha256() const { return spki_sha256_; }

  // Whether the discrete-logarithm fingerprint of ROCA moduli is present. False for other key
  // types.
  bool HasRocaFingerprint() const;

  // Empty result: the signature is good. kUntrusted, named "signature-invalid": it is not, or
  // scheme and key do not fit, or the digest is SHA-1. ECDSA signatures are DER here, with r and s
  // in [1, n-1] and no other encoding of the same values accepted. PSS salts may have any length.
  Result<void> Verify(SignatureScheme scheme, HashAlg hash, ByteView message,
                      ByteView signature) const;

  // RSAES-OAEP with `hash` for both OAEP and MGF1 and the label with its terminating NUL, as
  // TPM 2.0 part 1 B.4 asks. kInvalidArgument for other key types.
  Result<Bytes> EncryptOaep(HashAlg hash, std::string_view label_with_nul,
                            ByteView plaintext) const;

  // The affine point; kInvalidArgument when this is not an EC key.
  Result<EcPoint> Point() const;

  EVP_PKEY* evp() const { return key_.get(); }
  bool operator==(const PublicKey& other) const { return spki_der_ == other.spki_der_; }

 private:
  PublicKey(EvpKey key, KeyType type, Bytes spki_der);

  std::shared_ptr<EVP_PKEY> key_;
  KeyType type_;
  Bytes spki_der_;
  Sha256Digest spki_sha256_;
};

}  // namespace lodekey::crypto
