#include "crypto/signature.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/writer.h"
#include "crypto/curve.h"
#include "crypto/private_key.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

const Bytes kMessage = ToBytes("what was signed");

const PrivateKey& RsaKey() {
  static const PrivateKey key = Must(PrivateKey::GenerateRsa(2048));
  return key;
}

const PrivateKey& EcKey() {
  static const PrivateKey key = Must(PrivateKey::GenerateEc(Curve::kP256));
  return key;
}

// A DER ECDSA-Sig-Value of two INTEGERs with these contents, however wrong.
Bytes Sequence(ByteView r, ByteView s) {
  Writer out;
  out.U8(0x30).U8(static_cast<uint8_t>(r.size() + s.size() + 4));
  out.U8(0x02).U8(static_cast<uint8_t>(r.size())).Raw(r);
  out.U8(0x02).U8(static_cast<uint8_t>(s.size())).Raw(s);
  return std::move(out).Finish();
}

// The contents of the INTEGERs of a signature that OpenSSL made.
struct Parts {
  Bytes r;
  Bytes s;
};

Parts Split(ByteView signature) {
  const size_t r_size = signature[3];
  return {.r = ToBytes(signature.subspan(4, r_size)),
          .s = ToBytes(signature.subspan(4 + r_size + 2))};
}

Bytes EcdsaSignature() {
  return Must(EcKey().Sign(SignatureScheme::kEcdsa, HashAlg::kSha256, kMessage));
}

void ExpectInvalid(const Result<void>& result) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUntrusted);
  EXPECT_EQ(result.error().Name(), "signature-invalid");
}

Result<void> VerifyEcdsa(ByteView signature) {
  return EcKey().public_key().Verify(SignatureScheme::kEcdsa, HashAlg::kSha256, kMessage,
                                     signature);
}

TEST(Signature, VerifiesForEverySchemeAndHash) {
  for (HashAlg hash : {HashAlg::kSha256, HashAlg::kSha384, HashAlg::kSha512}) {
    for (SignatureScheme scheme : {SignatureScheme::kRsaPkcs1, SignatureScheme::kRsaPss}) {
      const Bytes signature = Must(RsaKey().Sign(scheme, hash, kMessage));
      EXPECT_TRUE(RsaKey().public_key().Verify(scheme, hash, kMessage, signature));
    }
    for (Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521}) {
      const auto key = Must(PrivateKey::GenerateEc(curve));
      const Bytes signature = Must(key.Sign(SignatureScheme::kEcdsa, hash, kMessage));
      EXPECT_TRUE(key.public_key().Verify(SignatureScheme::kEcdsa, hash, kMessage, signature));
    }
  }
}

TEST(Signature, DoesNotVerifyForAnotherMessageKeyHashOrScheme) {
  const Bytes signature = Must(RsaKey().Sign(SignatureScheme::kRsaPss, HashAlg::kSha256, kMessage));
  const PublicKey& key = RsaKey().public_key();
  const auto other = Must(PrivateKey::GenerateRsa(2048)).public_key();
  constexpr auto kPss = SignatureScheme::kRsaPss;
  ExpectInvalid(key.Verify(kPss, HashAlg::kSha256, AsBytes("another"), signature));
  ExpectInvalid(other.Verify(kPss, HashAlg::kSha256, kMessage, signature));
  ExpectInvalid(key.Verify(kPss, HashAlg::kSha384, kMessage, signature));
  ExpectInvalid(key.Verify(SignatureScheme::kRsaPkcs1, HashAlg::kSha256, kMessage, signature));
}

TEST(Signature, DoesNotVerifyWhenTheSchemeDoesNotFitTheKey) {
  const Bytes signature = EcdsaSignature();
  ExpectInvalid(
      RsaKey().public_key().Verify(SignatureScheme::kEcdsa, HashAlg::kSha256, kMessage, signature));
  ExpectInvalid(
      EcKey().public_key().Verify(SignatureScheme::kRsaPss, HashAlg::kSha256, kMessage, signature));
  const EvpKey evp(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  ExpectInvalid(Must(PublicKey::FromEvp(evp.get()))
                    .Verify(SignatureScheme::kEcdsa, HashAlg::kSha256, kMessage, signature));
}

TEST(Signature, DoesNotVerifyOverSha1) {
  const Bytes signature = Must(EcKey().Sign(SignatureScheme::kEcdsa, HashAlg::kSha1, kMessage));
  ExpectInvalid(
      EcKey().public_key().Verify(SignatureScheme::kEcdsa, HashAlg::kSha1, kMessage, signature));
}

TEST(Signature, DoesNotVerifyWhenAnyByteWasChanged) {
  Bytes signature = EcdsaSignature();
  for (uint8_t& byte : signature) {
    byte ^= 1;
    ExpectInvalid(VerifyEcdsa(signature));
    byte ^= 1;
  }
  EXPECT_TRUE(VerifyEcdsa(signature));
}

TEST(Signature, DoesNotVerifyWhenCutOrExtended) {
  Bytes signature = EcdsaSignature();
  for (size_t size = 0; size < signature.size(); ++size) {
    ExpectInvalid(VerifyEcdsa(ByteView(signature).first(size)));
  }
  signature.push_back(0);
  ExpectInvalid(VerifyEcdsa(signature));
  Bytes rsa = Must(RsaKey().Sign(SignatureScheme::kRsaPkcs1, HashAlg::kSha256, kMessage));
  rsa.push_back(0);
  ExpectInvalid(
      RsaKey().public_key().Verify(SignatureScheme::kRsaPkcs1, HashAlg::kSha256, kMessage, rsa));
}

TEST(EcdsaSignature, IsRefusedInAnotherEncodingOfTheSameValues) {
  const Parts good = Split(EcdsaSignature());
  ASSERT_TRUE(VerifyEcdsa(Sequence(good.r, good.s)));
  Bytes padded = good.r;
  padded.insert(padded.begin(), 0);
  ExpectInvalid(VerifyEcdsa(Sequence(padded, good.s)));

  Bytes long_form = Sequence(good.r, good.s);  // the length 0x81 0xNN where 0xNN would do
  long_form.insert(long_form.begin() + 1, 0x81);
  ExpectInvalid(VerifyEcdsa(long_form));

  Bytes indefinite = Sequence(good.r, good.s);  // BER: indefinite length, end-of-contents
  indefinite[1] = 0x80;
  indefinite.insert(indefinite.end(), {0, 0});
  ExpectInvalid(VerifyEcdsa(indefinite));
}

TEST(EcdsaSignature, IsRefusedWithValuesOutOfRange) {
  const Parts good = Split(EcdsaSignature());
  const BIGNUM* order = EC_GROUP_get0_order(Group(Curve::kP256));
  Bytes n(33, 0);
  BN_bn2binpad(order, n.data() + 1, 32);
  const Bytes zero = {0};
  const Bytes minus_one = {0xff};
  for (const Bytes& bad : {zero, minus_one, n}) {
    ExpectInvalid(VerifyEcdsa(Sequence(bad, good.s)));
    ExpectInvalid(VerifyEcdsa(Sequence(good.r, bad)));
    ExpectInvalid(VerifyEcdsa(Sequence(bad, bad)));
  }
}

// r + n means the same to the curve: a verifier that reduces it would take two texts for one.
TEST(EcdsaSignature, IsRefusedWithAValueRaisedByTheOrder) {
  const Parts good = Split(EcdsaSignature());
  const BIGNUM* order = EC_GROUP_get0_order(Group(Curve::kP256));
  BIGNUM* s = BN_bin2bn(good.s.data(), static_cast<int>(good.s.size()), nullptr);
  BN_add(s, s, order);
  Bytes raised(33, 0);
  BN_bn2binpad(s, raised.data(), 33);
  BN_free(s);
  ExpectInvalid(VerifyEcdsa(Sequence(good.r, raised)));
}

TEST(PssSignature, VerifiesWithTheLargestSaltThatSomeTpmsUse) {
  KeyContext context = Must(
      SignatureContext(RsaKey().evp(), KeyUse::kSign, SignatureScheme::kRsaPss, HashAlg::kSha256));
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_MAX), 1);
  const Bytes digest = Digest(HashAlg::kSha256, kMessage);
  Bytes signature(256);
  size_t size = signature.size();
  ASSERT_EQ(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()), 1);
  EXPECT_TRUE(RsaKey().public_key().Verify(SignatureScheme::kRsaPss, HashAlg::kSha256, kMessage,
                                           signature));
}

}  // namespace
}  // namespace lodekey::crypto
