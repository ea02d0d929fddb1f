// Servers that would pass for the issuer, before the real agent.
#include <gtest/gtest.h>

#include "crypto/certificate_builder.h"
#include "crypto/secret.h"
#include "platform/clock.h"
#include "tests/e2e/deployment_test.h"
#include "tests/e2e/proxy.h"
#include "tests/e2e/tls_server.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

struct Authority {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
};

crypto::CertificateSpec Spec(std::string name) {
  return {.serial = crypto::RandomSerial(),
          .common_name = std::move(name),
          .not_before = platform::Now() - std::chrono::hours(1),
          .not_after = platform::Now() + std::chrono::hours(1)};
}

// The real issuer's own, with its key.
Authority IssuerAuthority(const IssuerHost& issuer) {
  const std::string file = issuer.state_dir() + "/ca/authority";
  return {Must(crypto::PrivateKey::FromPem(crypto::Secret::Copy(AsBytes(ReadText(file + ".key"))))),
          Must(crypto::Certificate::FromPem(ReadText(file + ".crt")))};
}

Authority OtherAuthority() {
  crypto::CertificateSpec spec = Spec("authority");
  spec.ca = true;
  auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  auto certificate = Must(crypto::SignCertificate(spec, key.public_key(), nullptr, key));
  return {std::move(key), std::move(certificate)};
}

class Impostor : public DeploymentTest {
 protected:
  void SetUp() override { SetUpIssuer({}, /*ek_certificate=*/false); }

  void Serve(const Authority& authority, std::vector<std::string> uris,
             std::vector<std::string> names = {}) {
    crypto::CertificateSpec spec = Spec("server");
    spec.uri_sans = std::move(uris);
    spec.dns_sans = std::move(names);
    spec.client_auth = spec.server_auth = true;
    const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
    const auto leaf = Must(
        crypto::SignCertificate(spec, key.public_key(), &authority.certificate, authority.key));
    server_ = std::make_unique<TlsServer>(leaf.ToPem() + authority.certificate.ToPem(),
                                          std::string(AsText(Must(key.ToPem()).Reveal())));
  }
  // A host that has the server's address for its issuer's.
  void StartAgentThere() {
    SetUpAgent("127.0.0.1:" + std::to_string(server_->port()));
    agent_->Start();
  }
  // The host tries again and again, says why in vain, and sends nothing.
  void ExpectNothingSent(const std::string& why) {
    ASSERT_TRUE(WaitForProblem("issuer-untrusted")) << agent_->daemon.Log();
    const nlohmann::json problem = agent_->Status()["problem"];
    EXPECT_NE(problem.value("message", "").find(why), std::string::npos) << problem;
    EXPECT_NE(problem.value("advice", "").find("issuer_pins"), std::string::npos) << problem;
    ASSERT_TRUE(Eventually([&] { return server_->handshakes() >= 2; }));
    EXPECT_EQ(server_->application_bytes(), 0u);
  }

  const std::string issuer_uri_ = std::string("spiffe://") + kTrustDomain + "/lodekey/issuer";
  std::unique_ptr<TlsServer> server_;
};

TEST_F(Impostor, WithTheIssuersCertificateIsSpokenTo) {
  // The twin of the tests below: what they count is there to be counted.
  Serve(IssuerAuthority(*issuer_), {issuer_uri_});
  StartAgentThere();
  EXPECT_TRUE(Eventually([&] { return server_->application_bytes() > 0; })) << agent_->daemon.Log();
}

TEST_F(Impostor, WithAWorkloadCertificateOfTheIssuersAuthorityAndItsDnsNameGetsNothing) {
  Serve(IssuerAuthority(*issuer_), {std::string("spiffe://") + kTrustDomain + "/web"},
        {"127.0.0.1", "localhost", "issuer.e2e.example"});
  StartAgentThere();
  ExpectNothingSent("its certificate is not for " + issuer_uri_);
}

TEST_F(Impostor, UnderAnAuthorityThatIsNotPinnedGetsNothing) {
  Serve(OtherAuthority(), {issuer_uri_});
  StartAgentThere();
  ExpectNothingSent("no certificate it showed has a pinned key");
}

TEST_F(Impostor, InThePlaceOfTheIssuerOfAnEnrolledHostGetsNothingAndTakesNothingAway) {
  Serve(IssuerAuthority(*issuer_), {std::string("spiffe://") + kTrustDomain + "/web"});
  Proxy proxy(issuer_->port);
  SetUpAgent(proxy.address());
  Enrol();
  proxy.Redirect(server_->port());
  ExpectNothingSent("its certificate is not for " + issuer_uri_);
  EXPECT_TRUE(agent_->Status()["spiffe_id"].is_string());
  EXPECT_EQ(agent_->Status().value("health", ""), "amber");
  proxy.Redirect(issuer_->port);
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
}

}  // namespace
}  // namespace lodekey::test
