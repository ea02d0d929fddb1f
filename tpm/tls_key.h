// The OpenSSL ENGINE that lets a TLS library sign with a key in the TPM. ENGINE is deprecated; it
// lives in this file alone, because gRPC 1.51 takes a foreign key in no other way than
// "engine:<id>:<key>".
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/public_key.h"

namespace lodekey::tpm {

// Signs a SHA-256 digest (32 bytes); the result is a DER ECDSA signature. Called on the TLS
// library's threads, one call per handshake: the owner serialises access to the chip.
using SignDigest = std::function<Result<Bytes>(ByteView digest)>;

// While it lives, reference() names a P-256 key whose private half is `sign`. Thread-safe.
// Handshakes that started keep the function alive; afterwards the name is unknown and handshakes
// fail.
class TlsKey {
 public:
  static Result<std::unique_ptr<TlsKey>> Register(const crypto::PublicKey& key, SignDigest sign);
  ~TlsKey();

  // "engine:lodekey:<n>", to be given to gRPC in place of a PEM private key.
  const std::string& reference() const { return reference_; }

 private:
  explicit TlsKey(std::string id);
  std::string id_;
  std::string reference_;
};

}  // namespace lodekey::tpm
