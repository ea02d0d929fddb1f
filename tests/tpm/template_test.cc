#include "tpm/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/writer.h"
#include "crypto/certificate.h"
#include "tests/support/must.h"
#include "tests/support/software_tpm.h"
#include "tests/tpm/capture.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using test::ChangeArea;
using test::EkTemplateNamed;
using test::MakeSoftwareKey;
using test::Must;
using test::ReadCapture;

PublicArea EkLike(std::string_view name, const ChangeArea& change = {}) {
  TPMT_PUBLIC area = EkTemplateNamed(name).area;
  if (change) change(area);
  return MakeSoftwareKey(area, "ek").area;
}

Bytes PolicyOf(const EkTemplate& ek) {
  return {ek.area.authPolicy.buffer, ek.area.authPolicy.buffer + ek.area.authPolicy.size};
}

TEST(EndorsementPolicy, IsPolicyAOfTheProfile) {
  EXPECT_EQ(ToHex(EndorsementPolicySha256()),
            "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");
  EXPECT_EQ(PolicyOf(EkTemplateNamed("p256-l2")), EndorsementPolicySha256());
  EXPECT_EQ(PolicyOf(EkTemplateNamed("rsa2048-l1")), EndorsementPolicySha256());
}

// The high template's policy is PolicyOR (part 3, 23.6) of PolicyA and of PolicyC, both for
// SHA-384.
TEST(EndorsementPolicy, OfTheHighTemplateIsItsDisjunction) {
  const auto sha384 = [](ByteView data) { return crypto::Digest(HashAlg::kSha384, data); };
  const Writer secret =
      Writer().Raw(Bytes(48)).U32Be(TPM2_CC_PolicySecret).U32Be(TPM2_RH_ENDORSEMENT);
  const Bytes policy_a = sha384(sha384(secret.view()));
  const Bytes policy_c =
      Must(ParseHex("d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5"
                    "b4947c2d73e63005eed2dc2b3593d165"));
  const Writer either = Writer().Raw(Bytes(48)).U32Be(TPM2_CC_PolicyOR).Raw(policy_a).Raw(policy_c);
  EXPECT_EQ(PolicyOf(EkTemplateNamed("p384-h3")), sha384(either.view()));
}

TEST(EkTemplates, StandInOrderOfPreference) {
  std::vector<std::string_view> names;
  for (const EkTemplate& ek : EkTemplates()) names.push_back(ek.name);
  EXPECT_THAT(names, testing::ElementsAre("p256-l2", "p384-h3", "rsa2048-l1"));
}

TEST(EkTemplates, NameTheirCertificates) {
  EXPECT_EQ(EkTemplateNamed("rsa2048-l1").certificate_index, 0x01c00002U);
  EXPECT_EQ(EkTemplateNamed("p256-l2").certificate_index, 0x01c0000aU);
  EXPECT_EQ(EkTemplateNamed("p384-h3").certificate_index, 0x01c00016U);
}

TEST(EkTemplates, NeedAPolicyWhereUserWithAuthIsClear) {
  for (const EkTemplate& ek : EkTemplates()) {
    EXPECT_EQ(ek.needs_policy, (ek.area.objectAttributes & TPMA_OBJECT_USERWITHAUTH) == 0)
        << ek.name;
  }
}

TEST(EkTemplates, LowOnesFillUniqueWithZerosAndHighOnesLeaveItEmpty) {
  EXPECT_EQ(EkTemplateNamed("rsa2048-l1").area.unique.rsa.size, 256);
  EXPECT_EQ(EkTemplateNamed("p256-l2").area.unique.ecc.x.size, 32);
  EXPECT_EQ(EkTemplateNamed("p256-l2").area.unique.ecc.y.size, 32);
  EXPECT_EQ(EkTemplateNamed("p384-h3").area.unique.ecc.x.size, 0);
}

TEST(MatchEkTemplate, KnowsAKeyOfEachTemplate) {
  for (const EkTemplate& ek : EkTemplates()) {
    EXPECT_EQ(MatchEkTemplate(EkLike(ek.name)), &ek) << ek.name;
  }
}

TEST(MatchEkTemplate, TakesTheDefaultExponentWrittenOut) {
  const PublicArea ek =
      EkLike("rsa2048-l1", [](auto& area) { area.parameters.rsaDetail.exponent = 65537; });
  EXPECT_EQ(MatchEkTemplate(ek), &EkTemplateNamed("rsa2048-l1"));
}

TEST(MatchEkTemplate, KnowsTheKeysOfARealTpm) {
  for (const auto& [file, name] :
       {std::pair{"ek-rsa.tpm2b_pub", "rsa2048-l1"}, {"ek-ecc-p256.tpm2b_pub", "p256-l2"}}) {
    const auto bytes = ReadCapture(file);
    if (!bytes) GTEST_SKIP() << "the captures are not here";
    EXPECT_EQ(MatchEkTemplate(Must(PublicArea::Parse(*bytes))), &EkTemplateNamed(name)) << file;
  }
}

TEST(MatchEkTemplate, KnowsTheKeyThatTheCertificateOfARealTpmNames) {
  const auto area = ReadCapture("ek-rsa.tpm2b_pub");
  const auto der = ReadCapture("ek-rsa2048.crt.der");
  if (!area || !der) GTEST_SKIP() << "the captures are not here";
  EXPECT_EQ(Must(PublicArea::Parse(*area)).key(), Must(crypto::Certificate::FromDer(*der)).key());
}

struct Impostor {
  const char* title;
  const char* ek;
  ChangeArea change;
};

class MatchEkTemplateRefuses : public testing::TestWithParam<Impostor> {};

TEST_P(MatchEkTemplateRefuses, AKeyThatIsNotQuiteOne) {
  ASSERT_NE(MatchEkTemplate(EkLike(GetParam().ek)), nullptr);
  EXPECT_EQ(MatchEkTemplate(EkLike(GetParam().ek, GetParam().change)), nullptr);
}

ChangeArea Clear(TPMA_OBJECT attribute) {
  return [attribute](auto& area) { area.objectAttributes &= ~attribute; };
}
ChangeArea Set(TPMA_OBJECT attribute) {
  return [attribute](auto& area) { area.objectAttributes |= attribute; };
}

const Impostor kImpostors[] = {
    {"A49NotRestricted", "p256-l2", Clear(TPMA_OBJECT_RESTRICTED)},
    {"A49NotForDecryption", "p256-l2", Clear(TPMA_OBJECT_DECRYPT)},
    {"A49SigningToo", "p256-l2", Set(TPMA_OBJECT_SIGN_ENCRYPT)},
    {"A49NotFixedToTheTpm", "p256-l2", Clear(TPMA_OBJECT_FIXEDTPM)},
    {"A49NotFixedToItsParent", "p384-h3", Clear(TPMA_OBJECT_FIXEDPARENT)},
    {"A49MadeElsewhere", "rsa2048-l1", Clear(TPMA_OBJECT_SENSITIVEDATAORIGIN)},
    {"A49UserWithAuthInALowTemplate", "rsa2048-l1", Set(TPMA_OBJECT_USERWITHAUTH)},
    {"A49WithoutUserWithAuthInAHighTemplate", "p384-h3", Clear(TPMA_OBJECT_USERWITHAUTH)},
    {"A49ReservedAttribute", "p256-l2", Set(0x00000001)},
    {"A49AnotherPolicy", "p256-l2", [](auto& area) { area.authPolicy.buffer[31] ^= 1; }},
    {"A49NoPolicy", "p256-l2", [](auto& area) { area.authPolicy.size = 0; }},
    {"A49ShortenedPolicy", "p384-h3", [](auto& area) { area.authPolicy.size = 32; }},
    {"A49AnotherNameAlgorithm", "p256-l2", [](auto& area) { area.nameAlg = TPM2_ALG_SHA384; }},
    {"A49AnotherSymmetricKeySize", "p256-l2",
     [](auto& area) { area.parameters.eccDetail.symmetric.keyBits.aes = 256; }},
    {"A49AnotherMode", "rsa2048-l1",
     [](auto& area) { area.parameters.rsaDetail.symmetric.mode.aes = TPM2_ALG_CTR; }},
    {"A49AnotherCurve", "p256-l2",
     [](auto& area) { area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384; }},
    {"A49AnotherModulusSize", "rsa2048-l1",
     [](auto& area) { area.parameters.rsaDetail.keyBits = 3072; }}};

INSTANTIATE_TEST_SUITE_P(Impostors, MatchEkTemplateRefuses, testing::ValuesIn(kImpostors),
                         [](const auto& row) { return row.param.title; });

TEST(SigningKeyTemplates, DifferInBeingRestrictedAlone) {
  TPMT_PUBLIC ak = AttestationKeyTemplate();
  const TPMT_PUBLIC node = NodeKeyTemplate();
  EXPECT_NE(ak.objectAttributes & TPMA_OBJECT_RESTRICTED, 0U);
  ak.objectAttributes &= ~TPMA_OBJECT_RESTRICTED;
  EXPECT_EQ(Must(MarshalPublic(ak)), Must(MarshalPublic(node)));
}

TEST(SigningKeyTemplates, BindTheKeyToTheChipAndToSigning) {
  constexpr TPMA_OBJECT kExpected = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                    TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
  EXPECT_EQ(NodeKeyTemplate().objectAttributes, kExpected);
  EXPECT_EQ(NodeKeyTemplate().parameters.eccDetail.scheme.scheme, TPM2_ALG_ECDSA);
  EXPECT_EQ(NodeKeyTemplate().parameters.eccDetail.curveID, TPM2_ECC_NIST_P256);
}

}  // namespace
}  // namespace lodekey::tpm
