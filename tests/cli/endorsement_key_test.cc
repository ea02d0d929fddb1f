#include "cli/endorsement_key.h"

#include <gtest/gtest.h>

#include "crypto/certificate_builder.h"
#include "crypto/encoding.h"
#include "tests/cli/fakes.h"
#include "tests/support/must.h"

namespace lodekey::cli {
namespace {

using test::Must;

const tpm::EkTemplate& Template(std::string_view name) {
  for (const auto& candidate : tpm::EkTemplates()) {
    if (candidate.name == name) return candidate;
  }
  throw std::runtime_error("no such template");
}

crypto::Certificate Certified(const crypto::PrivateKey& key) {
  const crypto::CertificateSpec spec{.serial = crypto::RandomSerial(),
                                     .common_name = "ek",
                                     .not_before = Time(Duration(kNowMs)),
                                     .not_after = Time(Duration(kNowMs)) + std::chrono::hours(1)};
  return Must(crypto::SignCertificate(spec, key.public_key(), nullptr, key));
}

TEST(EkTemplate, IsTheFirstWhoseCertificateTheChipHolds) {
  const auto p256 = Template("p256-l2").certificate_index;
  const auto p384 = Template("p384-h3").certificate_index;
  const auto rsa = Template("rsa2048-l1").certificate_index;
  EXPECT_EQ(ChooseEkTemplate({rsa}).name, "rsa2048-l1");
  EXPECT_EQ(ChooseEkTemplate({rsa, p384}).name, "p384-h3");
  EXPECT_EQ(ChooseEkTemplate({rsa, p384, p256}).name, "p256-l2");
}

TEST(EkTemplate, IsTheFirstOfAllWithoutACertificate) {
  EXPECT_EQ(ChooseEkTemplate({}).name, tpm::EkTemplates().front().name);
  EXPECT_EQ(ChooseEkTemplate({0x01c00099}).name, tpm::EkTemplates().front().name);
}

TEST(EkCertificate, IsReadFromPaddedStorage) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  Bytes stored = Certified(key).der();
  stored.resize(stored.size() + 100, 0xff);
  const auto read = ParseEkCertificate(Template("p256-l2"), stored);
  ASSERT_TRUE(read.certificate);
  EXPECT_EQ(read.certificate->key(), key.public_key());
  EXPECT_EQ(read.problem, "");
}

TEST(EkCertificate, IsOfNoUseWhenItIsNone) {
  const auto read = ParseEkCertificate(Template("p256-l2"), Bytes(100, 0xff));
  EXPECT_FALSE(read.certificate);
  EXPECT_NE(read.problem, "");
}

TEST(EndorsementKey, IsShownWithItsHashAndTheIssuersCommand) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const EndorsementKey ek{
      .key = key.public_key(),
      .stored = {.made_for = &Template("p256-l2"), .certificate = Certified(key)}};
  const std::string hash = ToHex(crypto::Sha256(key.public_key().spki_der()));
  EXPECT_EQ(EkHash(ek), hash);
  const Json json = EkJson(ek);
  EXPECT_EQ(json["ek_hash"], hash);
  EXPECT_EQ(json["key_type"], "ec-p256");
  EXPECT_EQ(json["certificate"]["not_before"], "2026-06-01T00:00:00.000Z");
  EXPECT_EQ(json["allow_command"], "lodekey node allow " + hash);
  EXPECT_NE(EkText(ek).find("subject:      CN=ek\n"), std::string::npos) << EkText(ek);
  EXPECT_TRUE(EkText(ek).ends_with("  lodekey node allow " + hash + "\n"));
}

TEST(EndorsementKey, IsPemOfKeyAndCertificate) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  EndorsementKey ek{.key = key.public_key(),
                    .stored = {.made_for = &Template("p256-l2"), .certificate = Certified(key)}};
  EXPECT_EQ(Must(crypto::ParsePem(EkPem(ek), "PUBLIC KEY", 2)),
            std::vector<Bytes>{key.public_key().spki_der()});
  EXPECT_EQ(Must(crypto::Certificate::FromPem(EkPem(ek))).key(), key.public_key());
  ek.stored.certificate.reset();
  EXPECT_TRUE(Must(crypto::ParsePem(EkPem(ek), "CERTIFICATE", 2)).empty());
}

TEST(EndorsementKey, SaysWhatIsWrongWithItsCertificate) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  EndorsementKey ek{.key = key.public_key(), .stored = {.made_for = &Template("p256-l2")}};
  EXPECT_NE(EkText(ek).find("holds no certificate"), std::string::npos);
  EXPECT_TRUE(EkJson(ek)["certificate"].is_null());
  ek.stored.problem = "it is for another key";
  EXPECT_NE(EkText(ek).find("of no use: it is for another key"), std::string::npos);
  EXPECT_EQ(EkJson(ek)["certificate_problem"], "it is for another key");
}

}  // namespace
}  // namespace lodekey::cli
