#include "crypto/private_key.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/encoding.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

const PrivateKey& RsaKey() {
  static const PrivateKey key = Must(PrivateKey::GenerateRsa(2048));
  return key;
}

// With the terminating NUL, as TPM 2.0 labels have it.
constexpr std::string_view kLabel("IDENTITY", 9);

TEST(PrivateKey, ComesBackFromItsPem) {
  for (Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521}) {
    const auto key = Must(PrivateKey::GenerateEc(curve));
    const Secret pem = Must(key.ToPem());
    EXPECT_TRUE(AsText(pem.Reveal()).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    EXPECT_EQ(Must(PrivateKey::FromPem(pem)).public_key(), key.public_key());
  }
  EXPECT_EQ(Must(PrivateKey::FromPem(Must(RsaKey().ToPem()))).public_key(), RsaKey().public_key());
}

TEST(PrivateKey, ComesBackFromItsDer) {
  const auto key = Must(PrivateKey::GenerateEc(Curve::kP256));
  const Secret der = Must(key.ToDer());
  EXPECT_EQ(Must(PrivateKey::FromDer(der)).public_key(), key.public_key());
  const std::string whole(AsText(der.Reveal()));
  for (const std::string& bytes :
       {std::string(), whole.substr(1), whole.substr(0, whole.size() - 1), whole + '\0',
        std::string(20000, '0')}) {
    EXPECT_EQ(PrivateKey::FromDer(Secret::Copy(AsBytes(bytes))).error().code,
              Code::kInvalidArgument);
  }
}

TEST(PrivateKey, RefusesWhatIsNotAKey) {
  const std::string whole(
      AsText(Must(Must(PrivateKey::GenerateEc(Curve::kP256)).ToPem()).Reveal()));
  for (const std::string& text :
       {std::string(), std::string("hello"), whole.substr(0, whole.size() / 2),
        ToPem("PRIVATE KEY", AsBytes("nonsense")), ToPem("CERTIFICATE", AsBytes("nonsense")),
        std::string(20'000, 'A')}) {
    const auto result = PrivateKey::FromPem(Secret::Copy(AsBytes(text)));
    ASSERT_FALSE(result) << text.substr(0, 40);
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

TEST(PrivateKey, RefusesLegacyAndEncryptedForms) {
  const auto key = Must(PrivateKey::GenerateEc(Curve::kP256));
  const auto refuses = [](BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    const auto pem = Secret::Copy(AsBytes({data, static_cast<size_t>(size)}));
    return size > 0 && !PrivateKey::FromPem(pem);
  };
  const CHandle<BIO, BIO_free> legacy(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey_traditional(legacy.get(), key.evp(), nullptr, nullptr, 0, nullptr,
                                       nullptr);
  EXPECT_TRUE(refuses(legacy.get()));
  const CHandle<BIO, BIO_free> encrypted(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(encrypted.get(), key.evp(), EVP_aes_256_cbc(), "word", 4, nullptr,
                                nullptr);
  EXPECT_TRUE(refuses(encrypted.get()));
}

TEST(PrivateKey, RefusesOtherTypes) {
  const EvpKey evp(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const CHandle<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), evp.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const auto pem = Secret::Copy(AsBytes({data, static_cast<size_t>(size)}));
  EXPECT_EQ(PrivateKey::FromPem(pem).error().code, Code::kInvalidArgument);
}

TEST(PrivateKey, RefusesAPublicHalfOfAnotherKey) {
  const auto one = Must(PrivateKey::GenerateEc(Curve::kP256));
  const auto two = Must(PrivateKey::GenerateEc(Curve::kP256));
  Bytes der = Must(ParsePem(AsText(Must(one.ToPem()).Reveal()), "PRIVATE KEY", 1)).front();
  // PKCS#8 ends with the public point of the key.
  const Bytes& other = two.public_key().spki_der();
  std::copy(other.end() - 65, other.end(), der.end() - 65);
  const auto pem = Secret::Copy(AsBytes(ToPem("PRIVATE KEY", der)));
  EXPECT_EQ(PrivateKey::FromPem(pem).error().code, Code::kInvalidArgument);
}

TEST(PrivateKey, RefusesToMakeWeakRsaKeys) {
  for (int bits : {-1, 0, 512, 1024, 2047, 4097, 16384}) {
    const auto result = PrivateKey::GenerateRsa(bits);
    ASSERT_FALSE(result) << bits;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

TEST(PrivateKey, RefusesToSignWithASchemeOfAnotherType) {
  const auto key = Must(PrivateKey::GenerateEc(Curve::kP256));
  EXPECT_EQ(key.Sign(SignatureScheme::kRsaPss, HashAlg::kSha256, {}).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(RsaKey().Sign(SignatureScheme::kEcdsa, HashAlg::kSha256, {}).error().code,
            Code::kInvalidArgument);
}

TEST(Ecdh, GivesBothSidesTheSameX) {
  const std::pair<Curve, size_t> curves[] = {
      {Curve::kP256, 32}, {Curve::kP384, 48}, {Curve::kP521, 66}};
  for (const auto& [curve, size] : curves) {
    const auto one = Must(PrivateKey::GenerateEc(curve));
    const auto two = Must(PrivateKey::GenerateEc(curve));
    const Secret x = Must(one.EcdhX(two.public_key()));
    EXPECT_EQ(x.size(), size);
    EXPECT_TRUE(x.Matches(Must(two.EcdhX(one.public_key())).Reveal()));
  }
}

// A shared secret without its leading zero would make other keys in one case of 256.
TEST(Ecdh, KeepsLeadingZeros) {
  const auto one = Must(PrivateKey::GenerateEc(Curve::kP256));
  for (int trial = 0; trial < 5000; ++trial) {
    const Secret x = Must(one.EcdhX(Must(PrivateKey::GenerateEc(Curve::kP256)).public_key()));
    ASSERT_EQ(x.size(), 32u);
    if (x.Reveal()[0] == 0) return;
  }
  FAIL() << "no such secret in 5000";
}

TEST(Ecdh, RefusesAKeyOfAnotherCurveOrType) {
  const auto p256 = Must(PrivateKey::GenerateEc(Curve::kP256));
  const auto p384 = Must(PrivateKey::GenerateEc(Curve::kP384));
  EXPECT_EQ(p256.EcdhX(p384.public_key()).error().code, Code::kInvalidArgument);
  EXPECT_EQ(p256.EcdhX(RsaKey().public_key()).error().code, Code::kInvalidArgument);
  EXPECT_EQ(RsaKey().EcdhX(p256.public_key()).error().code, Code::kInvalidArgument);
}

TEST(Oaep, DecryptsWhatWasEncryptedUnderTheSameHashAndLabel) {
  for (HashAlg hash : {HashAlg::kSha1, HashAlg::kSha256, HashAlg::kSha384}) {
    for (std::string_view label : {kLabel, std::string_view()}) {
      const Bytes box = Must(RsaKey().public_key().EncryptOaep(hash, label, AsBytes("seed")));
      EXPECT_EQ(box.size(), 256u);
      EXPECT_EQ(AsText(Must(RsaKey().DecryptOaep(hash, label, box)).Reveal()), "seed");
    }
  }
}

TEST(Oaep, DoesNotDecryptUnderAnotherHashOrLabel) {
  const Bytes box =
      Must(RsaKey().public_key().EncryptOaep(HashAlg::kSha256, kLabel, AsBytes("seed")));
  EXPECT_EQ(RsaKey().DecryptOaep(HashAlg::kSha384, kLabel, box).error().code, Code::kUntrusted);
  EXPECT_FALSE(RsaKey().DecryptOaep(HashAlg::kSha256, "IDENTITY", box));  // the NUL counts
  EXPECT_FALSE(RsaKey().DecryptOaep(HashAlg::kSha256, "", box));
  EXPECT_FALSE(RsaKey().DecryptOaep(HashAlg::kSha256, kLabel, ByteView(box).first(255)));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Oaep, RefusesTooLongAPlaintextAndKeysOfOtherTypes) {
  EXPECT_EQ(RsaKey().public_key().EncryptOaep(HashAlg::kSha256, kLabel, Bytes(200)).error().code,
            Code::kInvalidArgument);
  const auto ec = Must(PrivateKey::GenerateEc(Curve::kP256));
  EXPECT_EQ(ec.public_key().EncryptOaep(HashAlg::kSha256, kLabel, {}).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(ec.DecryptOaep(HashAlg::kSha256, kLabel, {}).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace lodekey::crypto
