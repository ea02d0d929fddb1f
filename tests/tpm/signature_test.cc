#include "tpm/signature.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/reader.h"
#include "base/writer.h"
#include "tests/support/must.h"
#include "tests/support/software_tpm.h"
#include "tests/tpm/capture.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using test::AttestChanges;
using test::Must;
using test::ReadCapture;
using test::SignedAttestation;
using test::SoftwareTpm;

// A modulus of 2048 bits that is 65537 modulo each of the first 126 primes: the form that
// CVE-2017-15361 gives to moduli, and the product of nothing that anyone knows.
constexpr std::string_view kRocaModulus =
    "80000000000000000004ea145f88fb4b56ec928e569b339393802ac532d5a016"
    "575cd4150f8e48ddc35ff53bfcea96914995932729a670157dd4841a17e0c735"
    "d2f7616817734c63966dd9a3cf1e6882586c20ebfd8e98d405fae6164f852550"
    "7295e5374f8eb901c750939c467b51d1975f02a26af313db1003d7cc0ad2dcec"
    "b71029a60511f62f825fbd77524e0e6e9bbd4715d8f236653c6f1116ac2bf1e6"
    "1c99b8747487630d4f303c0c91519d95bdb9159f5fc868f43cf0e6b549bc5df6"
    "71413f590a8cf10baa82cc46fe227ed32914aea908f23348c2daf478c272c2a5"
    "6d15affe04487cda20428915b0a4ee60838377d8286e07067539bb8b5a9e6ca3";

const SoftwareTpm& EcdsaTpm() {
  static const SoftwareTpm tpm;
  return tpm;
}
const SoftwareTpm& RsassaTpm() {
  static const SoftwareTpm tpm({.ak_scheme = TPM2_ALG_RSASSA});
  return tpm;
}
const SoftwareTpm& RsapssTpm() {
  static const SoftwareTpm tpm({.ak_scheme = TPM2_ALG_RSAPSS});
  return tpm;
}

std::string FailureOf(const PublicArea& key, const SignedAttestation& attestation) {
  const auto verified = VerifyAttestationSignature(key, attestation.attest, attestation.signature);
  return verified ? "none" : std::string(verified.error().Name());
}

const Bytes kNonce(32, 0x5a);

TEST(AttestationSignature, VerifiesUnderEachScheme) {
  for (const SoftwareTpm* tpm : {&EcdsaTpm(), &RsassaTpm(), &RsapssTpm()}) {
    EXPECT_EQ(FailureOf(tpm->ak().area, tpm->Certify(kNonce)), "none");
  }
}

TEST(AttestationSignature, VerifiesUnderALongerHashOfTheKey) {
  const SoftwareTpm tpm({.change_ak = [](auto& area) {
    area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA384;
  }});
  EXPECT_EQ(FailureOf(tpm.ak().area, tpm.Certify(kNonce)), "none");
}

TEST(AttestationSignature, VerifiesWhatARealTpmSigned) {
  for (const auto& [key, quote] : {std::pair{"ak", "quote"}, {"ak-rsa", "quote-rsa"}}) {
    const auto area = ReadCapture(std::string(key) + ".tpm2b_pub");
    const auto attest = ReadCapture(std::string(quote) + ".msg");
    const auto signature = ReadCapture(std::string(quote) + ".sig.tpmt");
    if (!area || !attest || !signature) GTEST_SKIP() << "the captures are not here";
    const PublicArea ak = Must(PublicArea::Parse(*area));
    EXPECT_EQ(FailureOf(ak, {*attest, *signature}), "none") << quote;
    Bytes changed = *attest;
    changed.back() ^= 1;
    EXPECT_EQ(FailureOf(ak, {changed, *signature}), "signature-invalid") << quote;
  }
}

TEST(AttestationSignature, RefusesAnotherMessageAndAnotherKey) {
  for (const SoftwareTpm* tpm : {&EcdsaTpm(), &RsassaTpm(), &RsapssTpm()}) {
    SignedAttestation changed = tpm->Certify(kNonce);
    changed.attest[10] ^= 1;
    EXPECT_EQ(FailureOf(tpm->ak().area, changed), "signature-invalid");
  }
  const SoftwareTpm other;
  EXPECT_EQ(FailureOf(other.ak().area, EcdsaTpm().Certify(kNonce)), "signature-invalid");
}

TEST(AttestationSignature, RefusesEveryTruncation) {
  for (const SoftwareTpm* tpm : {&EcdsaTpm(), &RsassaTpm()}) {
    const SignedAttestation whole = tpm->Certify(kNonce);
    for (size_t size = 0; size < whole.signature.size(); ++size) {
      const ByteView cut = ByteView(whole.signature).first(size);
      const auto verified = VerifyAttestationSignature(tpm->ak().area, whole.attest, cut);
      ASSERT_FALSE(verified);
      ASSERT_EQ(verified.error().Name(), "signature-malformed") << size;
    }
  }
}

TEST(AttestationSignature, RefusesAKeyThatNamesNoScheme) {
  const SoftwareTpm tpm(
      {.change_ak = [](auto& area) { area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL; }});
  EXPECT_EQ(FailureOf(tpm.ak().area, tpm.Certify(kNonce)), "signature-algorithm");
}

TEST(AttestationSignature, A32RefusesAKeyThatSignsWithSha1) {
  const SoftwareTpm tpm({.change_ak = [](auto& area) {
    area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA1;
  }});
  EXPECT_EQ(FailureOf(tpm.ak().area, tpm.Certify(kNonce)), "signature-hash");
}

// Writes r and s in the place of the signature's own.
AttestChanges Numbers(Bytes r, Bytes s) {
  return {.signature = [r = std::move(r), s = std::move(s)](Bytes& signature) {
    signature.resize(4);
    signature = std::move(Writer().Raw(signature).Sized16(r).Sized16(s)).Finish();
  }};
}

// Puts `zeros` in front of the r that was signed.
AttestChanges PadR(size_t size) {
  return {.signature = [size](Bytes& signature) {
    Reader reader(signature, "signature");
    const ByteView head = Must(reader.Take(4));
    const ByteView r = Must(reader.Sized16(32));
    const ByteView s = Must(reader.Sized16(32));
    Bytes padded(size - r.size(), 0);
    padded.insert(padded.end(), r.begin(), r.end());
    signature = std::move(Writer().Raw(head).Sized16(padded).Sized16(s)).Finish();
  }};
}

Bytes OrderOfP256() {
  return Must(ParseHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"));
}

struct BadSignature {
  const char* title;
  const SoftwareTpm& (*tpm)();
  AttestChanges changes;
  const char* name;
  const SoftwareTpm& (*signer)() = nullptr;  // whose AK signs instead
};

class AttestationSignatureRefuses : public testing::TestWithParam<BadSignature> {};

TEST_P(AttestationSignatureRefuses, WithAStableName) {
  const SoftwareTpm& tpm = GetParam().tpm();
  ASSERT_EQ(FailureOf(tpm.ak().area, tpm.Certify(kNonce)), "none");
  AttestChanges changes = GetParam().changes;
  if (GetParam().signer != nullptr) changes.signer = &GetParam().signer().ak();
  EXPECT_EQ(FailureOf(tpm.ak().area, tpm.Certify(kNonce, changes)), GetParam().name);
}

void Truncate(Bytes& signature) { signature.pop_back(); }
void Lengthen(Bytes& signature) { signature.push_back(0); }

AttestChanges Relabel(TPM2_ALG_ID scheme, TPM2_ALG_ID hash) {
  return {.signature = [=](Bytes& signature) {
    const Writer head = Writer().U16Be(scheme).U16Be(hash);
    std::copy_n(head.view().begin(), 4, signature.begin());
  }};
}

const BadSignature kBadSignatures[] = {
    {"A31RsassaUnderAnEcdsaKey", EcdsaTpm, {}, "signature-algorithm", RsassaTpm},
    {"A31EcdsaUnderAnRsaKey", RsassaTpm, {}, "signature-algorithm", EcdsaTpm},
    {"A31RsapssUnderAnRsassaKey", RsassaTpm, {.scheme = TPM2_ALG_RSAPSS}, "signature-algorithm"},
    {"A31RsassaUnderAnRsapssKey", RsapssTpm, {.scheme = TPM2_ALG_RSASSA}, "signature-algorithm"},
    {"A31RsapssCalledRsassa",
     RsassaTpm,
     {.scheme = TPM2_ALG_RSAPSS, .signature = Relabel(TPM2_ALG_RSASSA, TPM2_ALG_SHA256).signature},
     "signature-invalid"},
    {"A31EcdaaOfTheSameShape", EcdsaTpm, Relabel(TPM2_ALG_ECDAA, TPM2_ALG_SHA256),
     "signature-algorithm"},
    {"A31HmacWithTheKeyKnownToNobody", EcdsaTpm, Relabel(TPM2_ALG_HMAC, TPM2_ALG_SHA256),
     "signature-algorithm"},
    {"A31NoScheme", EcdsaTpm, Relabel(TPM2_ALG_NULL, TPM2_ALG_SHA256), "signature-algorithm"},
    {"A32Sha1", EcdsaTpm, {.hash = HashAlg::kSha1}, "signature-hash"},
    {"A32Sha1UnderRsassa", RsassaTpm, {.hash = HashAlg::kSha1}, "signature-hash"},
    {"A32Sha1InTheLabelAlone", EcdsaTpm, Relabel(TPM2_ALG_ECDSA, TPM2_ALG_SHA1), "signature-hash"},
    {"A32AnotherHashThanTheKeys", EcdsaTpm, {.hash = HashAlg::kSha384}, "signature-hash"},
    {"A32UnknownHash", EcdsaTpm, Relabel(TPM2_ALG_ECDSA, 0x7777), "signature-hash"},
    {"A33RIsZero", EcdsaTpm, Numbers(Bytes(32, 0), Bytes(32, 1)), "signature-invalid"},
    {"A33SIsZero", EcdsaTpm, Numbers(Bytes(32, 1), Bytes(32, 0)), "signature-invalid"},
    {"A33BothAreZero", EcdsaTpm, Numbers(Bytes(32, 0), Bytes(32, 0)), "signature-invalid"},
    {"A33NumbersAreMissing", EcdsaTpm, Numbers({}, {}), "signature-invalid"},
    {"A33RIsTheOrder", EcdsaTpm, Numbers(OrderOfP256(), Bytes(32, 1)), "signature-invalid"},
    {"A33SIsTheOrder", EcdsaTpm, Numbers(Bytes(32, 1), OrderOfP256()), "signature-invalid"},
    {"A33SIsAboveTheOrder", EcdsaTpm, Numbers(Bytes(32, 1), Bytes(32, 0xff)), "signature-invalid"},
    {"A33RIsOversized", EcdsaTpm, Numbers(Bytes(33, 1), Bytes(32, 1)), "signature-malformed"},
    {"A33SIsOversized", EcdsaTpm, Numbers(Bytes(32, 1), Bytes(66, 1)), "signature-malformed"},
    {"A33RIsPaddedBeyondTheField", EcdsaTpm, PadR(33), "signature-malformed"},
    {"A33RIsHuge", EcdsaTpm, Numbers(Bytes(60000, 1), Bytes(32, 1)), "signature-malformed"},
    {"BytesAfterItsEnd", EcdsaTpm, {.signature = Lengthen}, "signature-malformed"},
    {"BytesAfterItsEndUnderRsa", RsapssTpm, {.signature = Lengthen}, "signature-malformed"},
    {"OneByteShort", EcdsaTpm, {.signature = Truncate}, "signature-malformed"},
    {"RsaNumberOfAnotherSize",
     RsassaTpm,
     {.signature =
          [](Bytes& signature) {
            signature.resize(4);
            signature = std::move(Writer().Raw(signature).Sized16(Bytes(255, 1))).Finish();
          }},
     "signature-invalid"},
    {"RsaNumberHuge",
     RsassaTpm,
     {.signature =
          [](Bytes& signature) {
            signature.resize(4);
            signature = std::move(Writer().Raw(signature).Sized16(Bytes(513, 1))).Finish();
          }},
     "signature-malformed"}};

INSTANTIATE_TEST_SUITE_P(Signatures, AttestationSignatureRefuses, testing::ValuesIn(kBadSignatures),
                         [](const auto& row) { return row.param.title; });

// TPMs send numbers with leading zeros up to the size of the field, or without: both are the same
// number.
TEST(AttestationSignature, A33AcceptsNumbersPaddedToTheField) {
  const SoftwareTpm& tpm = EcdsaTpm();
  EXPECT_EQ(FailureOf(tpm.ak().area, tpm.Certify(kNonce, PadR(32))), "none");
}

PublicArea RsaArea(Bytes modulus, uint32_t exponent) {
  TPMT_PUBLIC area = test::RsaAttestationKeyTemplate(TPM2_ALG_RSASSA);
  area.parameters.rsaDetail.keyBits = static_cast<uint16_t>(8 * modulus.size());
  area.parameters.rsaDetail.exponent = exponent;
  area.unique.rsa.size = static_cast<uint16_t>(modulus.size());
  std::ranges::copy(modulus, area.unique.rsa.buffer);
  return Must(PublicArea::FromTpmt(area));
}

Bytes OddModulus(size_t size) {
  Bytes modulus(size, 0xc5);
  return modulus;
}

TEST(AttestationSignature, A34RefusesWeakRsaKeys) {
  const SignedAttestation honest = RsassaTpm().Certify(kNonce);
  ASSERT_EQ(FailureOf(RsassaTpm().ak().area, honest), "none");
  EXPECT_EQ(FailureOf(RsaArea(OddModulus(128), 0), honest), "key-weak");
  EXPECT_EQ(FailureOf(RsaArea(OddModulus(255), 0), honest), "key-weak");
  EXPECT_EQ(FailureOf(RsaArea(OddModulus(256), 65539), honest), "key-weak");
  EXPECT_EQ(FailureOf(RsaArea(Must(ParseHex(kRocaModulus)), 0), honest), "key-weak");
  // A key that is only another one is not weak.
  EXPECT_EQ(FailureOf(RsaArea(OddModulus(256), 65537), honest), "signature-invalid");
}

TEST(EcdsaSignature, IsWrittenInDer) {
  EXPECT_EQ(ToHex(EcdsaSignatureToDer(Bytes{0, 0, 1}, Bytes{0x80})),
            "3007020101"
            "02020080");
  EXPECT_EQ(ToHex(EcdsaSignatureToDer({}, Bytes{0})), "3006020100020100");
  const Bytes der = EcdsaSignatureToDer(Bytes(66, 0xff), Bytes(66, 0x7f));
  EXPECT_EQ(ToHex(ByteView(der).first(6)), "308189024300");
  EXPECT_EQ(der.size(), 3U + 2U + 67U + 2U + 66U);
}

TEST(EcdsaSignature, KeepsItsNumbersThroughATpmtSignature) {
  const Bytes der = EcdsaSignatureToDer(Bytes(66, 0xff), Bytes{1});
  const Bytes tpmt = Must(MarshalSignature(TPM2_ALG_ECDSA, HashAlg::kSha512, der));
  const Bytes expected = std::move(Writer()
                                       .U16Be(TPM2_ALG_ECDSA)
                                       .U16Be(TPM2_ALG_SHA512)
                                       .Sized16(Bytes(66, 0xff))
                                       .Sized16(Bytes{1}))
                             .Finish();
  EXPECT_EQ(tpmt, expected);
}

TEST(MarshalSignature, RefusesWhatIsNoSignature) {
  EXPECT_FALSE(MarshalSignature(TPM2_ALG_ECDSA, HashAlg::kSha256, Bytes(70, 0)));
  EXPECT_FALSE(MarshalSignature(TPM2_ALG_ECDSA, HashAlg::kSha256, {}));
  EXPECT_FALSE(MarshalSignature(TPM2_ALG_HMAC, HashAlg::kSha256, Bytes(32, 0)));
}

}  // namespace
}  // namespace lodekey::tpm
