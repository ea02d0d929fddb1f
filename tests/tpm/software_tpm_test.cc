#include "tests/support/software_tpm.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using crypto::HashAlg;

TEST(SoftwareTpm, SharesRsaKeysWithinAChipNumberAlone) {
  const SoftwareTpm one({.ek_template = "rsa2048-l1"});
  const SoftwareTpm same({.ek_template = "rsa2048-l1"});
  const SoftwareTpm other({.ek_template = "rsa2048-l1", .chip = 1});
  EXPECT_EQ(one.ek().area.name(), same.ek().area.name());
  EXPECT_NE(one.ek().area.name(), other.ek().area.name());
  EXPECT_NE(one.ak().area.name(), same.ak().area.name());
}

TEST(SoftwareTpm, SignsWhatItChanged) {
  const SoftwareTpm tpm;
  const SoftwareTpm other;
  const Bytes nonce(32, 1);
  const AttestChanges changes[] = {{.magic = 1},
                                   {.type = TPM2_ST_ATTEST_NV},
                                   {.extra_data = Bytes{}},
                                   {.firmware_version = 1},
                                   {.certified_name = other.node_key().area.name()},
                                   {.bytes = [](Bytes& bytes) { bytes.resize(9); }}};
  const Bytes honest = tpm.Certify(nonce).attest;
  for (const AttestChanges& change : changes) {
    const SignedAttestation signed_attest = tpm.Certify(nonce, change);
    EXPECT_NE(signed_attest.attest, honest);
    EXPECT_TRUE(tpm::VerifyAttestationSignature(tpm.ak().area, signed_attest.attest,
                                                signed_attest.signature));
  }
}

TEST(SoftwareTpm, CarriesTheKeysThatWereAskedFor) {
  const SoftwareTpm tpm(
      {.change_ak = [](auto& area) { area.objectAttributes |= TPMA_OBJECT_DECRYPT; },
       .ak_hierarchy = TPM2_RH_OWNER});
  EXPECT_NE(tpm.ak().area.attributes() & TPMA_OBJECT_DECRYPT, 0U);
  const auto attest =
      Must(tpm::ParseAttestation(tpm.Certify({}).attest, tpm::AttestKind::kCertify));
  EXPECT_EQ(attest.qualified_signer,
            Must(tpm::QualifiedNameOfPrimary(tpm.ak().area, TPM2_RH_OWNER)));
}

TEST(SoftwareTpm, SeparatesTheSelectionItWritesFromTheOneItDigests) {
  const SoftwareTpm tpm;
  const tpm::PcrBank bank{.alg = HashAlg::kSha256, .values = {{16, Bytes(32, 3)}}};
  const auto quote = tpm.Quote({{HashAlg::kSha256, 1U << 16}}, {bank}, {},
                               {.selection = {{{HashAlg::kSha256, 1U << 10}}}});
  const auto attest = Must(tpm::ParseAttestation(quote.attest, tpm::AttestKind::kQuote));
  const auto& info = std::get<tpm::QuoteInfo>(attest.attested);
  EXPECT_EQ(info.selection.at(0).mask, 1U << 10);
  EXPECT_EQ(info.pcr_digest, crypto::Digest(HashAlg::kSha256, Bytes(32, 3)));
}

}  // namespace
}  // namespace lodekey::test
