#include "attest/key_rules.h"

#include <gtest/gtest.h>

#include "tests/attest/scene.h"
#include "tests/attest/shared_data.h"
#include "tests/support/must.h"

namespace lodekey::attest {
namespace {

using test::ChangeArea;
using test::ChangedTpm2bPublic;
using test::Chip;
using test::Must;
using test::SoftwareTpm;

template <class T>
std::string FailureOf(const Result<T>& result) {
  return result ? "none" : std::string(result.error().Name());
}

Bytes Changed(const tpm::PublicArea& area, const ChangeArea& change) {
  return ChangedTpm2bPublic(area, change);
}

TEST(AttestationKey, IsReadWithItsName) {
  const auto key = Must(ReadAttestationKey(Chip().ak().area.tpm2b()));
  EXPECT_EQ(key.name(), Chip().ak().area.name());
}

TEST(AttestationKey, MayBeRsaWithOneScheme) {
  for (const TPM2_ALG_ID scheme : {TPM2_ALG_RSASSA, TPM2_ALG_RSAPSS}) {
    const SoftwareTpm tpm({.ak_scheme = scheme, .chip = 2});
    EXPECT_EQ(FailureOf(ReadAttestationKey(tpm.ak().area.tpm2b())), "none");
  }
}

TEST(AttestationKey, IsRefusedWithoutAnEcdsaSchemeOfSha256) {
  const auto& ak = Chip().ak().area;
  const auto scheme = [&](TPM2_ALG_ID alg, TPM2_ALG_ID hash) {
    return FailureOf(ReadAttestationKey(Changed(ak, [=](TPMT_PUBLIC& area) {
      area.parameters.eccDetail.scheme.scheme = alg;
      area.parameters.eccDetail.scheme.details.anySig.hashAlg = hash;
    })));
  };
  EXPECT_EQ(scheme(TPM2_ALG_ECDSA, TPM2_ALG_SHA256), "none");
  EXPECT_EQ(scheme(TPM2_ALG_ECDSA, TPM2_ALG_SHA1), "ak-scheme");
  EXPECT_EQ(scheme(TPM2_ALG_ECDSA, TPM2_ALG_SHA384), "ak-scheme");
  EXPECT_EQ(scheme(TPM2_ALG_ECSCHNORR, TPM2_ALG_SHA256), "ak-scheme");
  EXPECT_EQ(scheme(TPM2_ALG_NULL, TPM2_ALG_NULL), "ak-scheme");
}

TEST(AttestationKey, IsRefusedWithoutAnRsaSchemeOfSha256) {
  const SoftwareTpm tpm({.ak_scheme = TPM2_ALG_RSASSA, .chip = 2});
  const auto scheme = [&](TPM2_ALG_ID alg, TPM2_ALG_ID hash) {
    return FailureOf(ReadAttestationKey(Changed(tpm.ak().area, [=](TPMT_PUBLIC& area) {
      area.parameters.rsaDetail.scheme.scheme = alg;
      area.parameters.rsaDetail.scheme.details.anySig.hashAlg = hash;
    })));
  };
  EXPECT_EQ(scheme(TPM2_ALG_RSASSA, TPM2_ALG_SHA1), "ak-scheme");
  EXPECT_EQ(scheme(TPM2_ALG_RSAES, TPM2_ALG_NULL), "ak-scheme");
  EXPECT_EQ(scheme(TPM2_ALG_NULL, TPM2_ALG_NULL), "ak-scheme");
}

TEST(AttestationKey, IsRefusedOnAnotherCurve) {
  const SoftwareTpm tpm({.change_ak = [](TPMT_PUBLIC& area) {
    area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384;
  }});
  EXPECT_EQ(FailureOf(ReadAttestationKey(tpm.ak().area.tpm2b())), "ak-scheme");
}

TEST(AttestationKey, IsRefusedWhenItDoesNotParse) {
  const Bytes good = Chip().ak().area.tpm2b();
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(FailureOf(ReadAttestationKey(ByteView(good).first(size))), "public-malformed");
  }
  EXPECT_EQ(FailureOf(ReadAttestationKey(Bytes(5000, 0))), "public-malformed");
}

TEST(AttestationKey, SaysWhichAttributesAreWrong) {
  const auto key = ReadAttestationKey(Changed(Chip().ak().area, [](TPMT_PUBLIC& area) {
    area.objectAttributes &= ~TPMA_OBJECT_RESTRICTED;
  }));
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Code::kUntrusted);
  EXPECT_NE(key.error().text.find("0x10000 missing"), std::string::npos) << key.error().text;
  EXPECT_FALSE(key.error().advice.empty());
}

TEST(NodeKey, IsReadWithItsName) {
  const auto key = Must(ReadNodeKey(Chip().node_key().area.tpm2b()));
  EXPECT_EQ(key.name(), Chip().node_key().area.name());
}

TEST(NodeKey, IsNotTheAttestationKeyNorTheReverse) {
  EXPECT_EQ(FailureOf(ReadNodeKey(Chip().ak().area.tpm2b())), "node-key-attributes");
  EXPECT_EQ(FailureOf(ReadAttestationKey(Chip().node_key().area.tpm2b())), "ak-attributes");
}

TEST(NodeKey, IsRefusedWithoutAnEcdsaSchemeOfSha256) {
  const auto& key = Chip().node_key().area;
  EXPECT_EQ(FailureOf(ReadNodeKey(Changed(key,
                                          [](TPMT_PUBLIC& area) {
                                            area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
                                          }))),
            "node-key-scheme");
  const SoftwareTpm p384({.change_node_key = [](TPMT_PUBLIC& area) {
    area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384;
  }});
  EXPECT_EQ(FailureOf(ReadNodeKey(p384.node_key().area.tpm2b())), "node-key-scheme");
}

TEST(NodeKey, IsRefusedWhenItIsRsa) {
  const SoftwareTpm tpm({.ak_scheme = TPM2_ALG_RSASSA, .chip = 2});
  const Bytes unrestricted = Changed(
      tpm.ak().area, [](TPMT_PUBLIC& area) { area.objectAttributes &= ~TPMA_OBJECT_RESTRICTED; });
  EXPECT_EQ(FailureOf(ReadNodeKey(unrestricted)), "node-key-scheme");
}

TEST(EndorsementKey, IsReadWithTheTemplateItWasMadeFrom) {
  for (const char* name : {"p256-l2", "p384-h3", "rsa2048-l1"}) {
    const SoftwareTpm tpm({.ek_template = name, .chip = 2});
    const auto key = Must(ReadEndorsementKey(tpm.ek().area.tpm2b()));
    ASSERT_NE(key.made_from, nullptr);
    EXPECT_EQ(key.made_from->name, name);
    EXPECT_EQ(key.area.name(), tpm.ek().area.name());
  }
}

TEST(EndorsementKey, IsNotASigningKey) {
  EXPECT_EQ(FailureOf(ReadEndorsementKey(Chip().ak().area.tpm2b())), "ek-template");
  EXPECT_EQ(FailureOf(ReadEndorsementKey(Chip().node_key().area.tpm2b())), "ek-template");
}

TEST(EndorsementKey, IsReadFromARealChip) {
  const auto tpm2b = test::ReadIfThere(test::SharedData() / "captures/a-clean/ek-rsa.tpm2b_pub");
  if (!tpm2b) GTEST_SKIP() << "the captures are not here";
  EXPECT_EQ(Must(ReadEndorsementKey(*tpm2b)).made_from->name, "rsa2048-l1");
}

TEST(AttestationKey, IsReadFromARealChip) {
  const auto captures = test::SharedData() / "captures/a-clean";
  const auto ecc = test::ReadIfThere(captures / "ak.tpm2b_pub");
  if (!ecc) GTEST_SKIP() << "the captures are not here";
  EXPECT_EQ(FailureOf(ReadAttestationKey(*ecc)), "none");
}

}  // namespace
}  // namespace lodekey::attest
