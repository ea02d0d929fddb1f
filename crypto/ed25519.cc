#include "crypto/ed25519.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/handle.h"
#include "crypto/sodium.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

using Bio = CHandle<BIO, BIO_free>;
using Pkcs8 = CHandle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using Key = CHandle<EVP_PKEY, EVP_PKEY_free>;

constexpr size_t kMaxPem = 16384;

}  // namespace

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

Result<Ed25519Key> Ed25519Key::FromPem(const Secret& pem) {
  if (pem.empty() || pem.size() > kMaxPem)
    return Fail(Code::kInvalidArgument, "not a private key in PEM");
  const Bio bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.size())));
  const Pkcs8 info(PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio.get(), nullptr, nullptr, nullptr));
  if (info == nullptr) return FailSsl(Code::kInvalidArgument, "not a PKCS#8 private key in PEM");
  const Key key(EVP_PKCS82PKEY(info.get()));
  Bytes seed(crypto_sign_SEEDBYTES);
  size_t size = seed.size();
  const bool read = key != nullptr && EVP_PKEY_get_id(key.get()) == EVP_PKEY_ED25519 &&
                    EVP_PKEY_get_raw_private_key(key.get(), seed.data(), &size) == 1;
  const Secret secret = Secret::Take(std::move(seed));
  if (!read) return FailSsl(Code::kInvalidArgument, "the private key is not one of Ed25519");
  return FromSeed(secret);
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
