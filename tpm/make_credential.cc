#include "tpm/make_credential.h"

#include <functional>
#include <utility>

#include <fmt/format.h>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/cipher.h"
#include "tpm/failure.h"

namespace lodekey::tpm {
namespace {

// "IDENTITY" names the use of the seed (part 1, 24.2); OAEP takes it with its NUL (annex B.4).
constexpr std::string_view kLabel = "IDENTITY";
constexpr std::string_view kLabelWithNul = {"IDENTITY", sizeof("IDENTITY")};

constexpr TPMA_OBJECT kStorageKey = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

// The algorithms an EK protects credentials with.
struct Protection {
  crypto::HashAlg hash = crypto::HashAlg::kSha256;
  uint16_t aes_bits = 0;

  uint32_t hash_bits() const { return static_cast<uint32_t>(8 * crypto::DigestSize(hash)); }
};

struct Seed {
  crypto::Secret value = {};
  Bytes encrypted = {};  // the content of TPM2B_ENCRYPTED_SECRET
};

struct WrapKeys {
  crypto::Secret symmetric = {};
  crypto::Secret hmac = {};
};

std::unexpected<Error> Unusable(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "ek-unusable"});
}

Result<Protection> ProtectionOf(const PublicArea& ek) {
  const TPMT_SYM_DEF_OBJECT& symmetric = ek.area().type == TPM2_ALG_RSA
                                             ? ek.area().parameters.rsaDetail.symmetric
                                             : ek.area().parameters.eccDetail.symmetric;
  if ((ek.attributes() & kStorageKey) != kStorageKey ||
      (ek.attributes() & TPMA_OBJECT_SIGN_ENCRYPT) != 0) {
    return Unusable(
        fmt::format("attributes 0x{:08x} are not those of a storage key", ek.attributes()));
  }
  if (symmetric.algorithm != TPM2_ALG_AES || symmetric.mode.aes != TPM2_ALG_CFB) {
    return Unusable(
        fmt::format("the key wraps with 0x{:04x}, not with AES-CFB", symmetric.algorithm));
  }
  ASSIGN_OR_RETURN(const crypto::HashAlg hash, ToHashAlg(ek.name_alg()), "read the EK");
  return Protection{hash, symmetric.keyBits.aes};
}

Bytes Block(uint32_t counter) { return std::move(Writer().U32Be(counter)).Finish(); }

// Blocks 1, 2, … of `make_block`, cut to `bits`: the counter mode of SP 800-108 and SP 800-56A.
crypto::Secret CountBlocks(uint32_t bits, size_t block_size,
                           const std::function<Bytes(uint32_t)>& make_block) {
  const size_t size = bits / 8;
  Bytes stream;
  stream.reserve(size + block_size);
  for (uint32_t counter = 1; stream.size() < size; ++counter) {
    Bytes block = make_block(counter);
    stream.insert(stream.end(), block.begin(), block.end());
    crypto::WipeBytes(block);
  }
  crypto::Secret secret = crypto::Secret::Copy(ByteView(stream).first(size));
  crypto::WipeBytes(stream);
  return secret;
}

// RSA (annex B.10.3): a random seed under OAEP.
Result<Seed> NewRsaSeed(const PublicArea& ek, const Protection& protection) {
  Seed seed{.value = crypto::Secret::Random(crypto::DigestSize(protection.hash))};
  ASSIGN_OR_RETURN(seed.encrypted,
                   ek.key().EncryptOaep(protection.hash, kLabelWithNul, seed.value.Reveal()),
                   "encrypt the seed");
  return seed;
}

crypto::Secret EccSeed(const Protection& protection, const crypto::Secret& z, ByteView ephemeral_x,
                       ByteView ek_x) {
  return Kdfe(protection.hash, z.Reveal(), kLabel, ephemeral_x, ek_x, protection.hash_bits());
}

crypto::Curve CurveOf(const crypto::PublicKey& key) {
  switch (key.type()) {
    case crypto::KeyType::kEcP384: return crypto::Curve::kP384;
    case crypto::KeyType::kEcP521: return crypto::Curve::kP521;
    default: return crypto::Curve::kP256;
  }
}

// ECC (annex C.6.1): the seed is derived from one-pass Diffie-Hellman, the ephemeral point travels.
Result<Seed> NewEccSeed(const PublicArea& ek, const Protection& protection) {
  ASSIGN_OR_RETURN(const crypto::PrivateKey ephemeral,
                   crypto::PrivateKey::GenerateEc(CurveOf(ek.key())), "make an ephemeral key");
  ASSIGN_OR_RETURN(const crypto::EcPoint point, ephemeral.public_key().Point(), "read its point");
  ASSIGN_OR_RETURN(const crypto::EcPoint ek_point, ek.key().Point(), "read the EK's point");
  ASSIGN_OR_RETURN(const crypto::Secret z, ephemeral.EcdhX(ek.key()), "agree on a secret");
  return Seed{.value = EccSeed(protection, z, point.x, ek_point.x),
              .encrypted = std::move(Writer().Sized16(point.x).Sized16(point.y)).Finish()};
}

Result<crypto::Secret> RecoverEccSeed(const PublicArea& ek, const crypto::PrivateKey& ek_private,
                                      const Protection& protection, ByteView encrypted) {
  Reader reader(encrypted, "ephemeral point");
  ASSIGN_OR_RETURN(const ByteView x, reader.Sized16(TPM2_MAX_ECC_KEY_BYTES), "read x");
  ASSIGN_OR_RETURN(const ByteView y, reader.Sized16(TPM2_MAX_ECC_KEY_BYTES), "read y");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read the point");
  ASSIGN_OR_RETURN(const crypto::PublicKey ephemeral,
                   crypto::PublicKey::FromEcPoint(CurveOf(ek.key()), {ToBytes(x), ToBytes(y)}),
                   "read the point");
  ASSIGN_OR_RETURN(const crypto::EcPoint ek_point, ek.key().Point(), "read the EK's point");
  ASSIGN_OR_RETURN(const crypto::Secret z, ek_private.EcdhX(ephemeral), "agree on a secret");
  return EccSeed(protection, z, x, ek_point.x);
}

Result<crypto::Secret> RecoverSeed(const PublicArea& ek, const crypto::PrivateKey& ek_private,
                                   const Protection& protection, ByteView encrypted_secret) {
  Reader reader(encrypted_secret, "TPM2B_ENCRYPTED_SECRET");
  ASSIGN_OR_RETURN(const ByteView encrypted, reader.Sized16(sizeof(TPMU_ENCRYPTED_SECRET)),
                   "read the encrypted seed");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read the encrypted seed");
  if (ek.area().type == TPM2_ALG_RSA) {
    return ek_private.DecryptOaep(protection.hash, kLabelWithNul, encrypted);
  }
  return RecoverEccSeed(ek, ek_private, protection, encrypted);
}

WrapKeys DeriveKeys(const Protection& protection, const crypto::Secret& seed,
                    const Name& key_name) {
  return {Kdfa(protection.hash, seed.Reveal(), "STORAGE", key_name, {}, protection.aes_bits),
          Kdfa(protection.hash, seed.Reveal(), "INTEGRITY", {}, {}, protection.hash_bits())};
}

// TPM2B_DIGEST(secret) under AES-CFB with a zero IV (part 1, 24.4).
Result<Bytes> EncryptIdentity(const crypto::Secret& key, const crypto::Secret& secret) {
  Bytes plain = std::move(Writer().Sized16(secret.Reveal())).Finish();
  auto encrypted = crypto::AesCfbEncrypt(key.Reveal(), plain);
  crypto::WipeBytes(plain);
  return encrypted;
}

Result<crypto::Secret> DecryptIdentity(const crypto::Secret& key, ByteView encrypted, size_t max) {
  ASSIGN_OR_RETURN(Bytes plain, crypto::AesCfbDecrypt(key.Reveal(), encrypted), "decrypt");
  Reader reader(plain, "credential");
  ASSIGN_OR_RETURN(const ByteView content, reader.Sized16(max), "read the credential");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read the credential");
  crypto::Secret secret = crypto::Secret::Copy(content);
  crypto::WipeBytes(plain);
  return secret;
}

}  // namespace

Result<Credential> MakeCredential(const PublicArea& ek, const Name& key_name,
                                  const crypto::Secret& secret) {
  ASSIGN_OR_RETURN(const Protection protection, ProtectionOf(ek), "make a credential");
  if (secret.empty() || secret.size() > crypto::DigestSize(protection.hash)) {
    return Fail(Code::kInvalidArgument, fmt::format("a credential of {} bytes", secret.size()));
  }
  ASSIGN_OR_RETURN(
      const Seed seed,
      ek.area().type == TPM2_ALG_RSA ? NewRsaSeed(ek, protection) : NewEccSeed(ek, protection),
      "make a credential");
  const WrapKeys keys = DeriveKeys(protection, seed.value, key_name);
  ASSIGN_OR_RETURN(const Bytes identity, EncryptIdentity(keys.symmetric, secret),
                   "make a credential");
  const Bytes integrity = crypto::Hmac(protection.hash, keys.hmac.Reveal(), {identity, key_name});
  const Writer content = Writer().Sized16(integrity).Raw(identity);
  return Credential{.id_object = std::move(Writer().Sized16(content.view())).Finish(),
                    .encrypted_secret = std::move(Writer().Sized16(seed.encrypted)).Finish()};
}

Result<crypto::Secret> ActivateInSoftware(const PublicArea& ek,
                                          const crypto::PrivateKey& ek_private,
                                          const Name& key_name, const Credential& credential) {
  constexpr std::string_view kIntegrity = "credential-integrity";
  constexpr std::string_view kDoing = "activate a credential";
  ASSIGN_OR_RETURN(const Protection protection, ProtectionOf(ek), kDoing);
  Reader reader(credential.id_object, "TPM2B_ID_OBJECT");
  ASSIGN_OR_RETURN(const ByteView content, reader.Sized16(sizeof(TPMS_ID_OBJECT)), kDoing);
  RETURN_IF_ERROR(reader.ExpectEnd(), kDoing);
  Reader fields(content, "TPMS_ID_OBJECT");
  ASSIGN_OR_RETURN(const ByteView integrity, fields.Sized16(sizeof(TPMU_HA)), kDoing);
  ASSIGN_OR_RETURN(const ByteView identity, fields.Take(fields.remaining()), kDoing);
  // OAEP under another EK fails by itself; ECDH gives another seed, which the HMAC finds.
  ASSIGN_OR_RETURN(
      const crypto::Secret seed,
      NameFailure(RecoverSeed(ek, ek_private, protection, credential.encrypted_secret), kIntegrity),
      kDoing);
  const WrapKeys keys = DeriveKeys(protection, seed, key_name);
  const Bytes expected = crypto::Hmac(protection.hash, keys.hmac.Reveal(), {identity, key_name});
  if (!Equal(expected, integrity)) {
    return Fail(Code::kUntrusted, "the credential is not for this key and this EK",
                {.name = std::string(kIntegrity)});
  }
  return DecryptIdentity(keys.symmetric, identity, crypto::DigestSize(protection.hash));
}

crypto::Secret Kdfa(crypto::HashAlg alg, ByteView key, std::string_view label, ByteView context_u,
                    ByteView context_v, uint32_t bits) {
  const Bytes nul = {0};
  return CountBlocks(bits, crypto::DigestSize(alg), [&](uint32_t counter) {
    return crypto::Hmac(alg, key,
                        {Block(counter), AsBytes(label), nul, context_u, context_v, Block(bits)});
  });
}

crypto::Secret Kdfe(crypto::HashAlg alg, ByteView z, std::string_view label, ByteView party_u,
                    ByteView party_v, uint32_t bits) {
  const Bytes nul = {0};
  return CountBlocks(bits, crypto::DigestSize(alg), [&](uint32_t counter) {
    return crypto::Digest(alg, {Block(counter), z, AsBytes(label), nul, party_u, party_v});
  });
}

}  // namespace lodekey::tpm
