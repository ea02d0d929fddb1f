#include "issuer/config.h"

#include <fstream>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "crypto/certificate_builder.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::IssuerConfig;
using issuer::LoadIssuerConfig;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Result<IssuerConfig> Load(const std::string& toml,
                          const std::vector<platform::Override>& command_line = {}) {
  const ScratchDirectory directory;
  const std::string path = directory.path() + "/issuer.toml";
  Overwrite(path, toml);
  chmod(path.c_str(), 0600);
  return LoadIssuerConfig(path, command_line);
}

// The text of what is refused, which names the key.
std::string Refusal(const std::string& toml) {
  const auto loaded = Load("trust_domain = \"example.org\"\n" + toml);
  if (loaded) return "accepted";
  EXPECT_EQ(loaded.error().Name(), "config-invalid") << loaded.error().text;
  return loaded.error().text;
}

TEST(IssuerConfig, NeedsATrustDomainAlone) {
  const IssuerConfig config = Must(Load("trust_domain = \"example.org\"\n"));
  EXPECT_EQ(config.trust_domain, "example.org");
  EXPECT_EQ(config.listen, (platform::HostPort{.host = "0.0.0.0", .port = 7443}));
  EXPECT_EQ(config.state_dir, "/var/lib/lodekey-issuer");
  EXPECT_EQ(config.admin_socket, "/run/lodekey-issuer/admin.sock");
  EXPECT_EQ(config.minimum_assurance, attest::Assurance::kInventory);
  EXPECT_EQ(config.attest_interval, minutes(10));
  EXPECT_EQ(config.nonce_slack, seconds(60));
  EXPECT_EQ(config.challenge_life, seconds(120));
  EXPECT_EQ(config.node_ttl, hours(1));
  EXPECT_EQ(config.intermediate_ttl, hours(7 * 24));

  const auto without = Load("");
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().text.find("trust_domain"), std::string::npos) << without.error().text;
}

TEST(IssuerConfig, AppraisesByTheVerifiersDefaults) {
  const attest::AppraisalPolicy policy = Must(Load("trust_domain = \"example.org\"\n")).appraisal;
  const attest::AppraisalPolicy defaults;
  EXPECT_EQ(policy.bank, defaults.bank);
  EXPECT_EQ(policy.required, defaults.required);
  EXPECT_EQ(policy.static_pcrs, defaults.static_pcrs);
  EXPECT_EQ(policy.ledger_registers, defaults.ledger_registers);
  EXPECT_EQ(policy.require_references, defaults.require_references);
  EXPECT_EQ(policy.require_claim, defaults.require_claim);
  EXPECT_EQ(policy.accept_touched_ledger, defaults.accept_touched_ledger);
  EXPECT_EQ(policy.accept_firmware_change, defaults.accept_firmware_change);
  EXPECT_EQ(policy.accept_new_ak, defaults.accept_new_ak);
}

TEST(IssuerConfig, ReadsWhatIsSet) {
  const IssuerConfig config = Must(Load(R"(
trust_domain = "fleet.example"
listen = "[2001:db8::1]:9443"
[admission]
minimum_assurance = "hardware"
[appraisal]
bank = "sha384"
required_pcrs = "0-7"
static_pcrs = "0-5,7"
ledger_registers = "12"
require_references = true
require_claim = false
accept_touched_ledger = true
accept_firmware_change = false
accept_new_ak = true
[attestation]
interval = "5s"
nonce_slack = "1s"
challenge_life = "30s"
[ca]
node_ttl = "20s"
intermediate_ttl = "1h"
root_ttl = "10d"
[limits]
enrolments_per_second = 7
enrolments_per_source = 3
)"));
  EXPECT_EQ(config.listen, (platform::HostPort{.host = "2001:db8::1", .port = 9443}));
  EXPECT_EQ(config.minimum_assurance, attest::Assurance::kHardware);
  EXPECT_EQ(config.appraisal.bank, crypto::HashAlg::kSha384);
  EXPECT_EQ(config.appraisal.required, 0x00ffU);
  EXPECT_EQ(config.appraisal.static_pcrs, 0x00bfU);
  EXPECT_EQ(config.appraisal.ledger_registers, 0x1000U);
  EXPECT_TRUE(config.appraisal.require_references);
  EXPECT_FALSE(config.appraisal.require_claim);
  EXPECT_TRUE(config.appraisal.accept_touched_ledger);
  EXPECT_FALSE(config.appraisal.accept_firmware_change);
  EXPECT_TRUE(config.appraisal.accept_new_ak);
  EXPECT_EQ(config.attest_interval, seconds(5));
  EXPECT_EQ(config.node_ttl, seconds(20));
  EXPECT_EQ(config.root_ttl, hours(240));
  EXPECT_EQ(config.enrolments_per_second, 7U);
  EXPECT_EQ(config.enrolments_per_source, 3U);
}

TEST(IssuerConfig, LetsTheCommandLineDecideLast) {
  const auto config = Must(Load("trust_domain = \"example.org\"\n[ca]\nnode_ttl = \"2h\"\n",
                                {{.key = "ca.node_ttl", .text = "30m"}}));
  EXPECT_EQ(config.node_ttl, minutes(30));
}

TEST(IssuerConfig, RefusesWhatTheSchemaDoesNotAllow) {
  EXPECT_NE(Refusal("[ca]\nintermediate_ttl = \"8d\"\n").find("ca.intermediate_ttl"),
            std::string::npos);
  EXPECT_NE(
      Refusal("[attestation]\nchallenge_life = \"121s\"\n").find("attestation.challenge_life"),
      std::string::npos);
  EXPECT_NE(Refusal("[appraisal]\nbank = \"sha1\"\n").find("appraisal.bank"), std::string::npos);
  EXPECT_NE(Refusal("[appraisal]\nrequired_pcrs = \"0-24\"\n").find("appraisal.required_pcrs"),
            std::string::npos);
  EXPECT_NE(Refusal("[appraisal]\nrequired_pcrs = \"\"\n").find("appraisal.required_pcrs"),
            std::string::npos);
  EXPECT_NE(
      Refusal("[admission]\nminimum_assurance = \"none\"\n").find("admission.minimum_assurance"),
      std::string::npos);
  EXPECT_NE(Refusal("[limits]\nenrolments_per_second = 0\n").find("limits.enrolments_per_second"),
            std::string::npos);
  EXPECT_NE(Refusal("[appraisal]\naccept_everything = true\n").find("accept_everything"),
            std::string::npos);
}

TEST(IssuerConfig, RefusesAFileThatIsNotThere) {
  const auto loaded = LoadIssuerConfig("/nonexistent/issuer.toml", {});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kNotFound);
}

// --- Vendor roots ---

crypto::Certificate Root(const std::string& name) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  return Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                       .common_name = name,
                                       .not_before = At(0),
                                       .not_after = At(1'000'000),
                                       .ca = true},
                                      key.public_key(), nullptr, key));
}

TEST(VendorRoots, AreAllCertificatesOfTheDirectory) {
  const ScratchDirectory directory;
  Overwrite(directory.path() + "/two.pem", Root("one").ToPem() + Root("two").ToPem());
  Overwrite(directory.path() + "/three.crt", Root("three").ToPem());
  Overwrite(directory.path() + "/README", "not a certificate");
  EXPECT_EQ(Must(issuer::LoadRoots(directory.path())).size(), 3U);
}

TEST(VendorRoots, AreNoneWithoutADirectory) {
  EXPECT_TRUE(Must(issuer::LoadRoots("")).empty());
  EXPECT_TRUE(Must(issuer::LoadRoots("/nonexistent/roots")).empty());
}

TEST(VendorRoots, NameTheFileThatDoesNotParse) {
  const ScratchDirectory directory;
  Overwrite(directory.path() + "/good.pem", Root("one").ToPem());
  Overwrite(directory.path() + "/bad.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const auto roots = issuer::LoadRoots(directory.path());
  ASSERT_FALSE(roots);
  EXPECT_NE(roots.error().text.find("bad.pem"), std::string::npos) << roots.error().text;
}

TEST(VendorRoots, AreNotReadFromAFile) {
  const ScratchDirectory directory;
  Overwrite(directory.path() + "/roots.pem", Root("one").ToPem());
  const auto roots = issuer::LoadRoots(directory.path() + "/roots.pem");
  ASSERT_FALSE(roots);
  EXPECT_EQ(roots.error().Name(), "vendor-roots-unreadable");
}

}  // namespace
}  // namespace lodekey::test
