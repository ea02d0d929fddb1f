#include "crypto/ed25519.h"

#include <fmt/format.h>

#include "crypto/sodium.h"

namespace lodekey::crypto {

Result<Ed25519Key> Ed25519Key::Generate() {
  return FromSeed(Secret::Random(crypto_sign_SEEDBYTES));
}

Result<Ed25519Key> Ed25519Key::FromSeed(const Secret& seed) {
  if (seed.size() != crypto_sign_SEEDBYTES) {
    return Fail(Code::kInvalidArgument, fmt::format("an Ed25519 seed has {} bytes, not {}",
                                                    +crypto_sign_SEEDBYTES, seed.size()));
  }
  RequireSodium();
  Ed25519Key key;
  Bytes expanded(crypto_sign_SECRETKEYBYTES);
  crypto_sign_seed_keypair(key.public_key_.data(), expanded.data(), seed.Reveal().data());
  key.seed_ = seed.Clone();
  key.expanded_ = Secret::Take(std::move(expanded));
  return key;
}

Ed25519Signature Ed25519Key::Sign(ByteView message) const {
  Ed25519Signature signature;
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(),
                       expanded_.Reveal().data());
  return signature;
}

bool VerifyEd25519(const Ed25519PublicKey& key, ByteView message,
                   const Ed25519Signature& signature) {
  RequireSodium();
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     key.data()) == 0;
}

}  // namespace lodekey::crypto
