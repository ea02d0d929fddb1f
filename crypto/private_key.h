// Private keys that live in our memory: the issuer's CA keys, the software keys of tests and of
// workloads. Keys of the node live in the TPM (tpm/).
#pragma once

#include <openssl/x509.h>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/public_key.h"
#include "crypto/secret.h"

namespace lodekey::crypto {

// Move-only. Thread-safe for signing.
class PrivateKey {
 public:
  static Result<PrivateKey> GenerateEc(Curve curve);
  static Result<PrivateKey> GenerateRsa(int bits);
  // PKCS#8 PEM without a passphrase, at most 16 KiB.
  static Result<PrivateKey> FromPem(const Secret& pem);
  // PKCS#8 DER without a passphrase, at most 16 KiB, nothing after it.
  static Result<PrivateKey> FromDer(const Secret& der);

  Result<Secret> ToPem() const;  // PKCS#8
  Result<Secret> ToDer() const;  // PKCS#8
  const PublicKey& public_key() const { return public_key_; }

  // Signs the digest of `message`. ECDSA signatures are DER.
  Result<Bytes> Sign(SignatureScheme scheme, HashAlg hash, ByteView message) const;

  // The x coordinate of the ECDH shared point, left-padded to the field size (TPM 2.0 part 1
  // C.6.1).
  Result<Secret> EcdhX(const PublicKey& peer) const;
  Result<Secret> DecryptOaep(HashAlg hash, std::string_view label_with_nul,
                             ByteView ciphertext) const;

  EVP_PKEY* evp() const { return key_.get(); }

 private:
  PrivateKey(EvpKey key, PublicKey public_key);
  static Result<PrivateKey> FromPkcs8(const PKCS8_PRIV_KEY_INFO* info);

  EvpKey key_;
  PublicKey public_key_;
};

}  // namespace lodekey::crypto
