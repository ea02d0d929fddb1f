// Ed25519 (RFC 8032) by libsodium: signatures of the audit log.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace lodekey::crypto {

using Ed25519PublicKey = std::array<uint8_t, 32>;
using Ed25519Signature = std::array<uint8_t, 64>;

class Ed25519Key {
 public:
  static Result<Ed25519Key> Generate();
  static Result<Ed25519Key> FromSeed(const Secret& seed);  // 32 bytes
  // PKCS#8 PEM without a passphrase (RFC 8410), as 'openssl genpkey -algorithm ed25519' makes it.
  static Result<Ed25519Key> FromPem(const Secret& pem);

  const Secret& seed() const { return seed_; }
  const Ed25519PublicKey& public_key() const { return public_key_; }
  Ed25519Signature Sign(ByteView message) const;  // thread-safe

 private:
  Ed25519Key() = default;

  Secret seed_;
  Secret expanded_;
  Ed25519PublicKey public_key_{};
};

bool VerifyEd25519(const Ed25519PublicKey& key, ByteView message,
                   const Ed25519Signature& signature);

}  // namespace lodekey::crypto
