#include "crypto/private_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/curve.h"
#include "crypto/signature.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

using Bio = CHandle<BIO, BIO_free>;

using Pkcs8 = CHandle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

constexpr size_t kMaxEncoded = 16384;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 4096;

Result<void> CheckPair(EVP_PKEY* key) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (context != nullptr && EVP_PKEY_pairwise_check(context.get()) == 1) return {};
  return FailSsl(Code::kInvalidArgument, "the halves of the key do not belong together");
}

Result<void> CheckSize(const Secret& encoded) {
  if (!encoded.empty() && encoded.size() <= kMaxEncoded) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("a private key of {} bytes, not 1 to {}", encoded.size(), kMaxEncoded));
}

}  // namespace

PrivateKey::PrivateKey(EvpKey key, PublicKey public_key)
    : key_(std::move(key)), public_key_(std::move(public_key)) {}

Result<PrivateKey> PrivateKey::GenerateEc(Curve curve) {
  EvpKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", Describe(curve).name));
  if (key == nullptr) return FailSsl(Code::kInternal, "generate an EC key");
  ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromEvp(key.get()), "generate an EC key");
  return PrivateKey(std::move(key), std::move(public_key));
}

Result<PrivateKey> PrivateKey::GenerateRsa(int bits) {
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return Fail(Code::kInvalidArgument, fmt::format("{} bits for an RSA key, not {} to {}", bits,
                                                    kMinRsaBits, kMaxRsaBits));
  }
  EvpKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits)));
  if (key == nullptr) return FailSsl(Code::kInternal, "generate an RSA key");
  ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromEvp(key.get()), "generate an RSA key");
  return PrivateKey(std::move(key), std::move(public_key));
}

Result<PrivateKey> PrivateKey::FromPem(const Secret& pem) {
  RETURN_IF_ERROR(CheckSize(pem), "private key");
  Bio bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.size())));
  // This reads the label PRIVATE KEY alone: no legacy form, no passphrase that OpenSSL would ask
  // the terminal for.
  const Pkcs8 info(PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio.get(), nullptr, nullptr, nullptr));
  if (info == nullptr) return FailSsl(Code::kInvalidArgument, "not a PKCS#8 private key in PEM");
  return FromPkcs8(info.get());
}

Result<PrivateKey> PrivateKey::FromDer(const Secret& der) {
  RETURN_IF_ERROR(CheckSize(der), "private key");
  const uint8_t* next = der.Reveal().data();
  const uint8_t* const end = next + der.size();
  const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &next, static_cast<long>(der.size())));
  if (info == nullptr || next != end)
    return FailSsl(Code::kInvalidArgument, "not a PKCS#8 private key in DER");
  return FromPkcs8(info.get());
}

Result<PrivateKey> PrivateKey::FromPkcs8(const PKCS8_PRIV_KEY_INFO* info) {
  EvpKey key(EVP_PKCS82PKEY(info));
  if (key == nullptr) return FailSsl(Code::kInvalidArgument, "the private key cannot be decoded");
  ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromEvp(key.get()), "private key");
  if (public_key.type() == KeyType::kOther) {
    return Fail(Code::kInvalidArgument, "the private key is neither RSA nor on P-256, -384, -521");
  }
  RETURN_IF_ERROR(CheckPair(key.get()), "private key");
  return PrivateKey(std::move(key), std::move(public_key));
}

Result<Secret> PrivateKey::ToPem() const {
  Bio bio(BIO_new(BIO_s_secmem()));  // cleansed when it is freed
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return FailSsl(Code::kInternal, "encode the private key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret::Copy(AsBytes({data, static_cast<size_t>(size)}));
}

Result<Secret> PrivateKey::ToDer() const {
  Bio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr ||
      i2d_PKCS8PrivateKey_bio(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return FailSsl(Code::kInternal, "encode the private key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret::Copy(AsBytes({data, static_cast<size_t>(size)}));
}

Result<Bytes> PrivateKey::Sign(SignatureScheme scheme, HashAlg hash, ByteView message) const {
  if (!SchemeFits(public_key_.type(), scheme)) {
    return Fail(Code::kInvalidArgument, "the signature scheme does not fit the key");
  }
  ASSIGN_OR_RETURN(const KeyContext context,
                   SignatureContext(key_.get(), KeyUse::kSign, scheme, hash), "sign");
  const Bytes digest = Digest(hash, message);
  Bytes signature(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
  size_t size = signature.size();
  RETURN_IF_ERROR(
      SslCheck(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()),
               "sign a digest"),
      "sign");
  signature.resize(size);
  return signature;
}

Result<Secret> PrivateKey::EcdhX(const PublicKey& peer) const {
  const CurveInfo* curve = FindCurve(public_key_.type());
  if (curve == nullptr || peer.type() != public_key_.type()) {
    return Fail(Code::kInvalidArgument, "ECDH needs two keys on one curve");
  }
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  Bytes x(curve->field_size);
  size_t size = x.size();
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.evp()) != 1 ||
      EVP_PKEY_derive(context.get(), x.data(), &size) != 1 || size != x.size()) {
    WipeBytes(x);
    return FailSsl(Code::kInternal, "derive an ECDH secret");
  }
  return Secret::Take(std::move(x));
}

Result<Secret> PrivateKey::DecryptOaep(HashAlg hash, std::string_view label_with_nul,
                                       ByteView ciphertext) const {
  if (public_key_.type() != KeyType::kRsa) {
    return Fail(Code::kInvalidArgument, "RSAES-OAEP needs an RSA key");
  }
  ASSIGN_OR_RETURN(const KeyContext context,
                   OaepContext(key_.get(), KeyUse::kDecrypt, hash, label_with_nul), "decrypt");
  Bytes plaintext(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
  size_t size = plaintext.size();
  if (EVP_PKEY_decrypt(context.get(), plaintext.data(), &size, ciphertext.data(),
                       ciphertext.size()) != 1) {
    WipeBytes(plaintext);
    return FailSsl(Code::kUntrusted, "decrypt with RSAES-OAEP");
  }
  Secret secret = Secret::Copy(ByteView(plaintext).first(size));
  WipeBytes(plaintext);
  return secret;
}

}  // namespace lodekey::crypto
