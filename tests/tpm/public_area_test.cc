#include "tpm/public_area.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/writer.h"
#include "tests/support/must.h"
#include "tests/support/software_tpm.h"
#include "tests/tpm/capture.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using test::ChangeArea;
using test::ChangedTpm2bPublic;
using test::Must;
using test::ReadCapture;
using test::SoftwareTpm;

std::string FailureOf(const Result<PublicArea>& result) {
  return result ? "none" : std::string(result.error().Name());
}

const SoftwareTpm& Tpm() {
  static const SoftwareTpm tpm;
  return tpm;
}

const SoftwareTpm& RsaTpm() {
  static const SoftwareTpm tpm({.ek_template = "rsa2048-l1", .ak_scheme = TPM2_ALG_RSASSA});
  return tpm;
}

TEST(PublicArea, ReadsBackWhatItWrote) {
  for (const SoftwareTpm* tpm : {&Tpm(), &RsaTpm()}) {
    for (const PublicArea* area : {&tpm->ek().area, &tpm->ak().area, &tpm->node_key().area}) {
      const PublicArea parsed = Must(PublicArea::Parse(area->tpm2b()));
      EXPECT_EQ(parsed.tpm2b(), area->tpm2b());
      EXPECT_EQ(parsed.name(), area->name());
      EXPECT_EQ(parsed.attributes(), area->attributes());
      EXPECT_EQ(parsed.key().spki_der(), area->key().spki_der());
    }
  }
}

TEST(PublicArea, NamesItselfByTheDigestOfItsContent) {
  const PublicArea& area = Tpm().ak().area;
  const ByteView content = ByteView(area.tpm2b()).subspan(2);
  const Bytes expected =
      std::move(Writer().U16Be(TPM2_ALG_SHA256).Raw(crypto::Sha256(content))).Finish();
  EXPECT_EQ(area.name(), expected);
  EXPECT_EQ(Must(ComputeName(area.area())), expected);
}

TEST(PublicArea, NamesWithTheLongerDigestsOfTheHighTemplates) {
  const SoftwareTpm tpm({.ek_template = "p384-h3"});
  EXPECT_EQ(tpm.ek().area.name().size(), 2U + 48U);
  EXPECT_EQ(tpm.ek().area.name_alg(), TPM2_ALG_SHA384);
}

TEST(PublicArea, MatchesTheNameThatARealTpmComputed) {
  for (const char* key : {"ak", "ak-rsa"}) {
    const auto area = ReadCapture(std::string(key) + ".tpm2b_pub");
    const auto name = ReadCapture(std::string(key) + ".name");
    if (!area || !name) GTEST_SKIP() << "the captures are not here";
    EXPECT_EQ(Must(PublicArea::Parse(*area)).name(), *name) << key;
  }
}

TEST(PublicArea, RefusesEveryTruncation) {
  for (const SoftwareTpm* tpm : {&Tpm(), &RsaTpm()}) {
    const Bytes& whole = tpm->ek().area.tpm2b();
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto parsed = PublicArea::Parse(ByteView(whole).first(size));
      ASSERT_EQ(FailureOf(parsed), "public-malformed") << size;
    }
  }
}

TEST(PublicArea, RefusesASizeThatCutsItsContent) {
  Bytes bytes = Tpm().ak().area.tpm2b();
  for (size_t size = 0; size + 2 < bytes.size(); ++size) {
    Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size) + 2);
    cut[0] = static_cast<uint8_t>(size >> 8);
    cut[1] = static_cast<uint8_t>(size);
    ASSERT_EQ(FailureOf(PublicArea::Parse(cut)), "public-malformed") << size;
  }
}

TEST(PublicArea, RefusesBytesAfterItsEnd) {
  Bytes behind = Tpm().ak().area.tpm2b();
  behind.push_back(0);
  EXPECT_EQ(FailureOf(PublicArea::Parse(behind)), "public-malformed");
  Bytes inside = behind;
  ++inside[1];
  EXPECT_EQ(FailureOf(PublicArea::Parse(inside)), "public-malformed");
}

TEST(PublicArea, RefusesMoreThanItsGreatestSize) {
  const Bytes huge = std::move(Writer().U16Be(60000).Raw(Bytes(60000))).Finish();
  EXPECT_EQ(FailureOf(PublicArea::Parse(huge)), "public-malformed");
}

TEST(PublicArea, RefusesASizedFieldThatOverrunsItsBuffer) {
  // The size of the authPolicy stands after type, nameAlg and attributes.
  Bytes bytes = Tpm().ek().area.tpm2b();
  bytes[2 + 8] = 0xff;
  EXPECT_EQ(FailureOf(PublicArea::Parse(bytes)), "public-malformed");
}

struct BadArea {
  const char* title;
  const SoftwareTpm& (*tpm)();
  ChangeArea change;
  const char* name;
  Code code;
};

class PublicAreaRefuses : public testing::TestWithParam<BadArea> {};

TEST_P(PublicAreaRefuses, WithAStableName) {
  const PublicArea& honest = GetParam().tpm().ek().area;
  ASSERT_TRUE(PublicArea::Parse(honest.tpm2b()));
  const auto parsed = PublicArea::Parse(ChangedTpm2bPublic(honest, GetParam().change));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().Name(), GetParam().name);
  EXPECT_EQ(parsed.error().code, GetParam().code);
}

const BadArea kBadAreas[] = {
    {"A35PointOffTheCurve", Tpm, [](auto& area) { area.unique.ecc.y.buffer[31] ^= 1; },
     "key-invalid", Code::kUntrusted},
    {"A35PointAtInfinity", Tpm,
     [](auto& area) { area.unique.ecc.x.size = area.unique.ecc.y.size = 0; }, "key-invalid",
     Code::kUntrusted},
    {"A35PointOfAnotherCurve", Tpm,
     [](auto& area) { area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384; }, "key-invalid",
     Code::kUntrusted},
    {"A35OverlongCoordinate", Tpm,
     [](auto& area) {
       auto& x = area.unique.ecc.x;
       std::copy_backward(x.buffer, x.buffer + 32, x.buffer + 33);
       x.buffer[0] = 0;
       x.size = 33;
     },
     "key-invalid", Code::kUntrusted},
    {"UnknownCurve", Tpm, [](auto& area) { area.parameters.eccDetail.curveID = TPM2_ECC_SM2_P256; },
     "key-type", Code::kInvalidArgument},
    {"A34ExponentOne", RsaTpm, [](auto& area) { area.parameters.rsaDetail.exponent = 1; },
     "key-invalid", Code::kUntrusted},
    {"A34ExponentThree", RsaTpm, [](auto& area) { area.parameters.rsaDetail.exponent = 3; },
     "key-invalid", Code::kUntrusted},
    {"A34EvenModulus", RsaTpm, [](auto& area) { area.unique.rsa.buffer[255] &= 0xfe; },
     "key-invalid", Code::kUntrusted},
    {"A34NoModulus", RsaTpm, [](auto& area) { area.unique.rsa.size = 0; }, "key-invalid",
     Code::kUntrusted},
    {"A34ModulusShorterThanTheAreaSays", RsaTpm,
     [](auto& area) { area.parameters.rsaDetail.keyBits = 3072; }, "key-invalid", Code::kUntrusted},
    {"A42NameAlgorithmSha1", Tpm, [](auto& area) { area.nameAlg = TPM2_ALG_SHA1; },
     "name-algorithm", Code::kInvalidArgument},
    {"A42NameAlgorithmNull", Tpm, [](auto& area) { area.nameAlg = TPM2_ALG_NULL; },
     "name-algorithm", Code::kInvalidArgument},
    {"A42NameAlgorithmUnknown", Tpm, [](auto& area) { area.nameAlg = 0x7777; }, "name-algorithm",
     Code::kInvalidArgument},
    {"SealedData", Tpm,
     [](auto& area) {
       area.type = TPM2_ALG_KEYEDHASH;
       area.parameters = {};
       area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
       area.unique = {};
     },
     "key-type", Code::kInvalidArgument}};

INSTANTIATE_TEST_SUITE_P(Areas, PublicAreaRefuses, testing::ValuesIn(kBadAreas),
                         [](const auto& row) { return row.param.title; });

// A41: whoever says another Name than the area has, is found out by computing it.
TEST(PublicArea, A41HasAnotherNameAfterAnyChange) {
  const PublicArea& honest = Tpm().ak().area;
  const auto changed = PublicArea::Parse(ChangedTpm2bPublic(
      honest, [](auto& area) { area.objectAttributes &= ~TPMA_OBJECT_RESTRICTED; }));
  EXPECT_NE(Must(changed).name(), honest.name());
  EXPECT_EQ(Must(changed).key().spki_der(), honest.key().spki_der());
}

TEST(Name, OfAHandleIsTheHandle) {
  EXPECT_EQ(HandleName(TPM2_RH_ENDORSEMENT), Must(ParseHex("4000000b")));
}

TEST(Name, IsQualifiedByTheHierarchy) {
  const PublicArea& ak = Tpm().ak().area;
  const Writer chain = Writer().U32Be(TPM2_RH_ENDORSEMENT).Raw(ak.name());
  const Bytes expected =
      std::move(Writer().U16Be(TPM2_ALG_SHA256).Raw(crypto::Sha256(chain.view()))).Finish();
  EXPECT_EQ(Must(QualifiedNameOfPrimary(ak, TPM2_RH_ENDORSEMENT)), expected);
  EXPECT_NE(Must(QualifiedNameOfPrimary(ak, TPM2_RH_NULL)), expected);
}

TEST(Name, A42IsNotComputedWithSha1) {
  TPMT_PUBLIC area = Tpm().ak().area.area();
  area.nameAlg = TPM2_ALG_SHA1;
  const auto name = ComputeName(area);
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().Name(), "name-algorithm");
}

TEST(HashAlgorithms, TranslateBothWays) {
  for (const HashAlg alg : {HashAlg::kSha1, HashAlg::kSha256, HashAlg::kSha384, HashAlg::kSha512}) {
    EXPECT_EQ(Must(ToHashAlg(FromHashAlg(alg))), alg);
  }
  EXPECT_FALSE(ToHashAlg(TPM2_ALG_SM3_256));
  EXPECT_FALSE(ToHashAlg(TPM2_ALG_NULL));
}

}  // namespace
}  // namespace lodekey::tpm
