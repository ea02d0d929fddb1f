#include "agent/issuer_trust.h"

#include <gtest/gtest.h>

#include "crypto/certificate_builder.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;
using test::Must;

const Time kNow = Must(ParseTime("2026-06-01T00:00:00Z"));
constexpr const char* kIssuerId = "spiffe://example.org/lodekey/issuer";

struct Ca {
  PrivateKey key;
  Certificate certificate;
};

Ca MakeCa() {
  PrivateKey key = Must(PrivateKey::GenerateEc(crypto::Curve::kP256));
  Certificate certificate =
      Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                    .common_name = "authority",
                                    .organization = {},
                                    .not_before = kNow - std::chrono::hours(24),
                                    .not_after = kNow + std::chrono::hours(24 * 365),
                                    .ca = true},
                                   key.public_key(), nullptr, key));
  return {std::move(key), std::move(certificate)};
}

Certificate MakeServer(const Ca& ca, std::vector<std::string> uris,
                       std::vector<std::string> dns = {}, bool server_auth = true,
                       bool is_ca = false) {
  const PrivateKey key = Must(PrivateKey::GenerateEc(crypto::Curve::kP256));
  return Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                       .common_name = "server",
                                       .organization = {},
                                       .not_before = kNow - std::chrono::hours(1),
                                       .not_after = kNow + std::chrono::hours(1),
                                       .uri_sans = std::move(uris),
                                       .dns_sans = std::move(dns),
                                       .ca = is_ca,
                                       .server_auth = server_auth},
                                      key.public_key(), &ca.certificate, ca.key));
}

IssuerTrust Trusting(const Ca& ca, Time now = kNow) {
  return {.trust_domain = "example.org",
          .pins = {ToBytes(ca.certificate.key().spki_sha256())},
          .now = [now] { return now; }};
}

TEST(IssuerTrust, AcceptsTheIssuerUnderThePinnedAuthorityAndNamesTheAuthority) {
  const Ca ca = MakeCa();
  const auto authority = CheckIssuer(Trusting(ca), {MakeServer(ca, {kIssuerId}), ca.certificate});
  ASSERT_TRUE(authority) << authority.error().text;
  EXPECT_EQ(authority->der(), ca.certificate.der());
}

TEST(IssuerTrust, AcceptsTheSparePin) {
  const Ca ca = MakeCa(), other = MakeCa();
  IssuerTrust trust = Trusting(other);
  trust.pins.push_back(ToBytes(ca.certificate.key().spki_sha256()));
  EXPECT_TRUE(CheckIssuer(trust, {MakeServer(ca, {kIssuerId}), ca.certificate}));
}

TEST(IssuerTrust, RefusesAnotherAuthorityWhateverTheCertificateSays) {
  const Ca ca = MakeCa(), other = MakeCa();
  EXPECT_EQ(
      CheckIssuer(Trusting(ca), {MakeServer(other, {kIssuerId}), other.certificate}).error().Name(),
      "issuer-untrusted");
  // Showing the real authority beside it does not help.
  EXPECT_FALSE(CheckIssuer(Trusting(ca), {MakeServer(other, {kIssuerId}), ca.certificate}));
  EXPECT_FALSE(CheckIssuer(Trusting(ca),
                           {MakeServer(other, {kIssuerId}), other.certificate, ca.certificate}));
}

TEST(IssuerTrust, RefusesAWorkloadCertificateWithTheIssuersDnsName) {
  const Ca ca = MakeCa();
  EXPECT_FALSE(CheckIssuer(
      Trusting(ca),
      {MakeServer(ca, {"spiffe://example.org/web"}, {"issuer.example.org"}), ca.certificate}));
  EXPECT_FALSE(
      CheckIssuer(Trusting(ca), {MakeServer(ca, {}, {"issuer.example.org"}), ca.certificate}));
}

TEST(IssuerTrust, RefusesOtherUrisTwoUrisAndOtherTrustDomains) {
  const Ca ca = MakeCa();
  for (const std::vector<std::string>& uris :
       std::vector<std::vector<std::string>>{{"spiffe://example.com/lodekey/issuer"},
                                             {"spiffe://example.org/lodekey/issuer/x"},
                                             {kIssuerId, "spiffe://example.org/x"}}) {
    EXPECT_FALSE(CheckIssuer(Trusting(ca), {MakeServer(ca, uris), ca.certificate})) << uris.front();
  }
}

TEST(IssuerTrust, RefusesACertificateThatIsNotForServersOrIsItselfAnAuthority) {
  const Ca ca = MakeCa();
  EXPECT_FALSE(CheckIssuer(
      Trusting(ca), {MakeServer(ca, {kIssuerId}, {}, /*server_auth=*/false), ca.certificate}));
  EXPECT_FALSE(CheckIssuer(
      Trusting(ca), {MakeServer(ca, {kIssuerId}, {}, true, /*is_ca=*/true), ca.certificate}));
  EXPECT_FALSE(CheckIssuer(Trusting(ca), {ca.certificate}));
  EXPECT_FALSE(CheckIssuer(Trusting(ca), {}));
}

TEST(IssuerTrust, RefusesACertificateThatHasEndedAndNamesBothTimes) {
  const Ca ca = MakeCa();
  const auto trusted = CheckIssuer(Trusting(ca, kNow + std::chrono::hours(2)),
                                   {MakeServer(ca, {kIssuerId}), ca.certificate});
  ASSERT_FALSE(trusted);
  EXPECT_NE(trusted.error().text.find("ended at 2026-06-01T01:00:00"), std::string::npos)
      << trusted.error().text;
  EXPECT_NE(trusted.error().text.find("2026-06-01T02:00:00"), std::string::npos)
      << trusted.error().text;
}

TEST(IssuerTrust, AcceptsAValidCertificateOnAHostWhoseClockIsBehind) {
  const Ca ca = MakeCa();
  for (const int hours : {2, 24 * 365, 24 * 365 * 50}) {
    EXPECT_TRUE(CheckIssuer(Trusting(ca, kNow - std::chrono::hours(hours)),
                            {MakeServer(ca, {kIssuerId}), ca.certificate}))
        << hours << " h behind";
  }
}

}  // namespace
}  // namespace lodekey::agent
