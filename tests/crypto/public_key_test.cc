#include "crypto/public_key.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/hex.h"
#include "crypto/der.h"
#include "crypto/private_key.h"
#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;
using test::Occurrences;

// The base point of P-256 (SEC 2, section 2.4.2).
constexpr std::string_view kBaseX =
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
constexpr std::string_view kBaseY =
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
constexpr std::string_view kFieldPrime =
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
// SubjectPublicKeyInfo of P-256 before the coordinates, uncompressed.
constexpr std::string_view kSpkiHead = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";

const Bytes kRsaEncryption = Must(ParseHex("06092a864886f70d010101"));

EcPoint BasePoint() { return {.x = Must(ParseHex(kBaseX)), .y = Must(ParseHex(kBaseY))}; }

Bytes Hex(std::string_view text) { return Must(ParseHex(text)); }

const PrivateKey& RsaKey() {
  static const PrivateKey key = Must(PrivateKey::GenerateRsa(2048));
  return key;
}

// The SubjectPublicKeyInfo of `RsaKey` under the algorithm whose identifier ends in `last`.
Bytes RelabelledSpki(uint8_t last) {
  Bytes spki = RsaKey().public_key().spki_der();
  auto at = std::search(spki.begin(), spki.end(), kRsaEncryption.begin(), kRsaEncryption.end());
  at[static_cast<ptrdiff_t>(kRsaEncryption.size()) - 1] = last;
  return spki;
}

Bytes RsaModulus(const PublicKey& key) {
  BIGNUM* n = nullptr;
  EVP_PKEY_get_bn_param(key.evp(), OSSL_PKEY_PARAM_RSA_N, &n);
  Bytes bytes(static_cast<size_t>(BN_num_bytes(n)));
  BN_bn2bin(n, bytes.data());
  BN_free(n);
  return bytes;
}

// `type` is "RSA" or "RSA-PSS": keys that no factory of ours would make.
EvpKey GenerateRsa(const char* type, BN_ULONG exponent) {
  const CHandle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  const CHandle<BIGNUM, BN_free> e(BN_new());
  BN_set_word(e.get(), exponent);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_keygen_init(context.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048);
  EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get());
  EVP_PKEY_generate(context.get(), &key);
  return EvpKey(key);
}

TEST(PublicKey, WritesAPointAsNamedCurveAndUncompressed) {
  const auto key = Must(PublicKey::FromEcPoint(Curve::kP256, BasePoint()));
  EXPECT_EQ(key.type(), KeyType::kEcP256);
  EXPECT_EQ(key.bits(), 256);
  EXPECT_EQ(ToHex(key.spki_der()),
            std::string(kSpkiHead) + std::string(kBaseX) + std::string(kBaseY));
  EXPECT_EQ(key.spki_sha256(), Sha256(key.spki_der()));
}

TEST(PublicKey, GivesBackItsPoint) {
  const auto point = Must(Must(PublicKey::FromEcPoint(Curve::kP256, BasePoint())).Point());
  EXPECT_EQ(point.x, BasePoint().x);
  EXPECT_EQ(point.y, BasePoint().y);
}

TEST(PublicKey, PadsCoordinatesThatCameWithoutLeadingZeros) {
  // Multiplying the base point until a coordinate begins with a zero octet takes 256 trials or so.
  for (int trial = 0; trial < 5000; ++trial) {
    const auto generated = Must(PrivateKey::GenerateEc(Curve::kP256));
    EcPoint point = Must(generated.public_key().Point());
    ASSERT_EQ(point.x.size(), 32u);
    if (point.x[0] != 0) continue;
    point.x.erase(point.x.begin());
    EXPECT_EQ(Must(PublicKey::FromEcPoint(Curve::kP256, point)), generated.public_key());
    return;
  }
  FAIL() << "no such key in 5000";
}

TEST(PublicKey, ReadsACompressedPointAsTheSameKey) {
  const Bytes compressed =
      Hex("3039301306072a8648ce3d020106082a8648ce3d03010703220003" + std::string(kBaseX));
  EXPECT_EQ(Must(PublicKey::FromSpkiDer(compressed)),
            Must(PublicKey::FromEcPoint(Curve::kP256, BasePoint())));
}

TEST(PublicKey, RefusesAPointOffTheCurve) {
  EcPoint point = BasePoint();
  point.y[31] ^= 1;
  const auto result = PublicKey::FromEcPoint(Curve::kP256, point);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUntrusted);
  EXPECT_EQ(PublicKey::FromEcPoint(Curve::kP384, BasePoint()).error().code, Code::kUntrusted);
  EXPECT_FALSE(
      PublicKey::FromSpkiDer(Hex(std::string(kSpkiHead) + ToHex(point.x) + ToHex(point.y))));
}

TEST(PublicKey, RefusesThePointAtInfinity) {
  EXPECT_EQ(PublicKey::FromEcPoint(Curve::kP256, {}).error().code, Code::kUntrusted);
  EXPECT_EQ(PublicKey::FromEcPoint(Curve::kP256, {.x = Bytes(32), .y = Bytes(32)}).error().code,
            Code::kUntrusted);
  EXPECT_FALSE(
      PublicKey::FromSpkiDer(Hex("3019301306072a8648ce3d020106082a8648ce3d030107030200"
                                 "00")));
}

TEST(PublicKey, RefusesACoordinateThatIsNotBelowTheFieldPrime) {
  EcPoint point = BasePoint();
  point.x = Hex(kFieldPrime);
  EXPECT_EQ(PublicKey::FromEcPoint(Curve::kP256, point).error().code, Code::kUntrusted);
}

TEST(PublicKey, RefusesAnOverlongCoordinate) {
  EcPoint point = BasePoint();
  point.x.insert(point.x.begin(), 0);
  EXPECT_EQ(PublicKey::FromEcPoint(Curve::kP256, point).error().code, Code::kInvalidArgument);
}

TEST(PublicKey, KnowsTheThreeCurves) {
  const std::pair<Curve, KeyType> curves[] = {{Curve::kP256, KeyType::kEcP256},
                                              {Curve::kP384, KeyType::kEcP384},
                                              {Curve::kP521, KeyType::kEcP521}};
  for (const auto& [curve, type] : curves) {
    const auto key = Must(PrivateKey::GenerateEc(curve)).public_key();
    EXPECT_EQ(key.type(), type);
    EXPECT_EQ(Must(PublicKey::FromSpkiDer(key.spki_der())), key);
    EXPECT_EQ(Must(PublicKey::FromEcPoint(curve, Must(key.Point()))), key);
  }
}

TEST(PublicKey, TakesOtherTypesAsOther) {
  for (const char* type : {"ED25519", "X25519"}) {
    const EvpKey evp(EVP_PKEY_Q_keygen(nullptr, nullptr, type));
    const auto key = Must(PublicKey::FromEvp(evp.get()));
    EXPECT_EQ(key.type(), KeyType::kOther);
    EXPECT_FALSE(key.HasRocaFingerprint());
    EXPECT_EQ(Must(PublicKey::FromSpkiDer(key.spki_der())), key);
    EXPECT_EQ(key.Point().error().code, Code::kInvalidArgument);
  }
  const EvpKey other_curve(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "secp256k1"));
  EXPECT_EQ(Must(PublicKey::FromEvp(other_curve.get())).type(), KeyType::kOther);
}

TEST(PublicKey, RefusesNoKey) {
  EXPECT_EQ(PublicKey::FromEvp(nullptr).error().code, Code::kInvalidArgument);
}

TEST(PublicKey, BuildsTheSameRsaKeyFromItsNumbers) {
  const PublicKey& key = RsaKey().public_key();
  EXPECT_EQ(key.type(), KeyType::kRsa);
  EXPECT_EQ(key.bits(), 2048);
  EXPECT_EQ(Must(PublicKey::FromRsa(RsaModulus(key), 65537)), key);
  EXPECT_EQ(Must(PublicKey::FromRsa(RsaModulus(key), 0)), key);
  EXPECT_EQ(Must(PublicKey::FromSpkiDer(key.spki_der())), key);
  EXPECT_EQ(key.Point().error().code, Code::kInvalidArgument);
}

TEST(PublicKey, IsWrittenAsOpenSslWouldWriteIt) {
  std::vector<PublicKey> keys = {RsaKey().public_key(),
                                 Must(PublicKey::FromRsa(Bytes(128, 0xff), 0xffffffff)),
                                 Must(PublicKey::FromRsa(Bytes(129, 0x7f), 0x10001)),
                                 Must(PublicKey::FromRsa(Bytes(512, 0xff), 0x7fffffff))};
  for (Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521}) {
    keys.push_back(Must(PrivateKey::GenerateEc(curve)).public_key());
  }
  for (const PublicKey& key : keys) {
    EXPECT_EQ(key.spki_der(), Must(EncodeDer<i2d_PUBKEY>(key.evp(), "encode")));
  }
  Bytes padded = RsaModulus(RsaKey().public_key());
  padded.insert(padded.begin(), 3, 0);
  EXPECT_EQ(Must(PublicKey::FromRsa(padded, 0)), RsaKey().public_key());
}

TEST(PublicKey, RefusesWeakRsaNumbers) {
  const Bytes modulus = RsaModulus(RsaKey().public_key());
  for (uint32_t exponent : {1u, 3u, 17u, 65535u, 65536u, 65538u}) {
    const auto result = PublicKey::FromRsa(modulus, exponent);
    ASSERT_FALSE(result) << exponent;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
  Bytes even = modulus;
  even.back() &= 0xfe;
  EXPECT_FALSE(PublicKey::FromRsa(even, 0));
  EXPECT_FALSE(PublicKey::FromRsa({}, 0));
}

TEST(PublicKey, TakesRsaModuliOf1024To4096BitsAlone) {
  EXPECT_EQ(Must(PublicKey::FromRsa(Bytes(128, 0xff), 0)).bits(), 1024);
  EXPECT_EQ(Must(PublicKey::FromRsa(Bytes(512, 0xff), 0)).bits(), 4096);
  EXPECT_FALSE(PublicKey::FromRsa(Bytes(127, 0xff), 0));
  EXPECT_FALSE(PublicKey::FromRsa(Bytes(513, 0xff), 0));
  EXPECT_FALSE(PublicKey::FromRsa(Bytes(10000, 0xff), 0));
}

TEST(PublicKey, RefusesAnSpkiWithASmallRsaExponent) {
  const EvpKey evp = GenerateRsa("RSA", 3);
  const Bytes spki = Must(EncodeDer<i2d_PUBKEY>(evp.get(), "encode"));
  EXPECT_EQ(PublicKey::FromSpkiDer(spki).error().code, Code::kInvalidArgument);
}

TEST(PublicKey, NormalisesPssAndOaepIdentifiers) {
  constexpr uint8_t kRsaesOaep = 7;
  constexpr uint8_t kRsassaPss = 10;
  for (uint8_t last : {kRsaesOaep, kRsassaPss}) {
    const auto key = Must(PublicKey::FromSpkiDer(RelabelledSpki(last)));
    EXPECT_EQ(key.type(), KeyType::kRsa);
    EXPECT_EQ(key, RsaKey().public_key());
  }
}

TEST(PublicKey, NormalisesAGenuinePssKey) {
  const EvpKey pss = GenerateRsa("RSA-PSS", 65537);
  const Bytes spki = Must(EncodeDer<i2d_PUBKEY>(pss.get(), "encode"));
  ASSERT_EQ(Occurrences(spki, kRsaEncryption), 0u);
  const auto key = Must(PublicKey::FromSpkiDer(spki));
  EXPECT_EQ(key.type(), KeyType::kRsa);
  EXPECT_EQ(Occurrences(key.spki_der(), kRsaEncryption), 1u);
  EXPECT_EQ(Must(PublicKey::FromEvp(pss.get())), key);
}

TEST(PublicKey, RefusesAnotherRsaIdentifier) {
  EXPECT_EQ(PublicKey::FromSpkiDer(RelabelledSpki(8)).error().code,
            Code::kInvalidArgument);  // MGF1
}

TEST(PublicKey, RefusesAnSpkiThatIsCutOrExtended) {
  Bytes spki = Must(PublicKey::FromEcPoint(Curve::kP256, BasePoint())).spki_der();
  for (size_t size = 0; size < spki.size(); ++size) {
    ASSERT_FALSE(PublicKey::FromSpkiDer(ByteView(spki).first(size))) << size;
  }
  spki.push_back(0);
  EXPECT_EQ(PublicKey::FromSpkiDer(spki).error().code, Code::kInvalidArgument);
  EXPECT_EQ(PublicKey::FromSpkiDer(Bytes(5000, 0x30)).error().code, Code::kInvalidArgument);
}

TEST(PublicKey, NeverReachesAPrivatePart) {
  const auto key = Must(PrivateKey::GenerateEc(Curve::kP256));
  BIGNUM* secret = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key.evp(), OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
  BN_clear_free(secret);
  secret = nullptr;
  EXPECT_NE(EVP_PKEY_get_bn_param(key.public_key().evp(), OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
}

}  // namespace
}  // namespace lodekey::crypto
