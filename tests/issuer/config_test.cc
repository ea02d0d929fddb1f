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

// A file with `toml`, read.
Result<IssuerConfig> Load(const std::string& toml,
                          const std::vector<platform::Override>& command_line = {}) {
  const ScratchDirectory directory;
  const std::string path = directory.path() + "/issuer.toml";
  Overwrite(path, toml);
  chmod(path.c_str(), 0600);
  return LoadIssuerConfig(path, command_line);
}

// The same behind what every file needs.
Result<IssuerConfig> LoadWith(const std::string& toml,
                              const std::vector<platform::Override>& command_line = {}) {
  return Load("trust_domain = \"example.org\"\n" + toml, command_line);
}

void ExpectRefused(const std::string& toml, const std::vector<std::string>& named) {
  const auto loaded = LoadWith(toml);
  ASSERT_FALSE(loaded) << toml;
  EXPECT_EQ(loaded.error().Name(), "config-invalid") << toml;
  for (const std::string& name : named) {
    EXPECT_NE(loaded.error().text.find(name), std::string::npos)
        << toml << " does not name " << name << ": " << loaded.error().text;
  }
}

TEST(IssuerConfig, NeedsATrustDomainAlone) {
  const IssuerConfig config = Must(LoadWith(""));
  EXPECT_EQ(config.trust_domain, "example.org");
  EXPECT_EQ(config.listen, (platform::HostPort{.host = "0.0.0.0", .port = 7443}));
  EXPECT_EQ(config.state_dir, "/var/lib/lodekey-issuer");
  EXPECT_EQ(config.admin_socket, "/run/lodekey-issuer/admin.sock");
  EXPECT_EQ(config.attest_interval, minutes(10));
  EXPECT_EQ(config.nonce_slack, seconds(60));
  EXPECT_EQ(config.challenge_life, seconds(120));
  EXPECT_EQ(config.node_ttl, hours(1));
  EXPECT_EQ(config.intermediate_ttl, hours(7 * 24));

  const auto without = Load("");
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().text.find("trust_domain"), std::string::npos) << without.error().text;
}

TEST(IssuerConfig, LeavesNoHostWithoutAnIdentityBetweenTwoAttestations) {
  ExpectRefused("ca.node_ttl = \"19m\"", {"ca.node_ttl", "19m", "attestation.interval", "10m"});
  ExpectRefused("attestation.interval = \"31m\"", {"attestation.interval", "31m", "1h"});
  Must(LoadWith("ca.node_ttl = \"20m\""));
}

TEST(IssuerConfig, ReadsWhatIsSet) {
  const IssuerConfig config = Must(Load(R"(
trust_domain = "fleet.example"
listen = "[2001:db8::1]:9443"
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
  EXPECT_EQ(config.attest_interval, seconds(5));
  EXPECT_EQ(config.node_ttl, seconds(20));
  EXPECT_EQ(config.root_ttl, hours(240));
  EXPECT_EQ(config.enrolments_per_second, 7U);
  EXPECT_EQ(config.enrolments_per_source, 3U);
}

TEST(IssuerConfig, LetsTheCommandLineDecideLast) {
  const auto config =
      Must(LoadWith("[ca]\nnode_ttl = \"2h\"\n", {{.key = "ca.node_ttl", .text = "30m"}}));
  EXPECT_EQ(config.node_ttl, minutes(30));
}

TEST(IssuerConfig, RefusesWhatTheSchemaDoesNotAllow) {
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"ca.intermediate_ttl = \"8d\"", "ca.intermediate_ttl"},
      {"attestation.challenge_life = \"121s\"", "attestation.challenge_life"},
      {"limits.enrolments_per_second = 0", "limits.enrolments_per_second"},
  };
  for (const auto& [toml, key] : refused) ExpectRefused(toml + "\n", {key});
}

TEST(IssuerConfig, SaysWhereWhatThePolicyDecidesWent) {
  for (const std::string old :
       {"appraisal.require_claim = false", "appraisal.bank = \"sha256\"",
        "[appraisal]\nrequired_pcrs = \"0-7\"", "admission.minimum_assurance = \"hardware\""}) {
    const auto loaded = LoadWith(old + "\n");
    ASSERT_FALSE(loaded) << old;
    EXPECT_EQ(loaded.error().Name(), "config-invalid") << old;
    EXPECT_NE(loaded.error().advice.find("data.json"), std::string::npos) << loaded.error().advice;
    EXPECT_NE(loaded.error().advice.find("lodekey policy show --write"), std::string::npos);
  }
  const auto other = LoadWith("admission.maximum = 1\n");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().advice.find("data.json"), std::string::npos) << other.error().advice;
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

class VendorRootsTest : public testing::Test {
 protected:
  std::string Add(const std::string& name, const std::string& content) const {
    Overwrite(directory_.path() + "/" + name, content);
    return directory_.path() + "/" + name;
  }
  auto Load() const { return issuer::LoadRoots(directory_.path()); }

 private:
  ScratchDirectory directory_;
};

TEST_F(VendorRootsTest, AreAllCertificatesOfTheDirectory) {
  Add("two.pem", Root("one").ToPem() + Root("two").ToPem());
  Add("three.crt", Root("three").ToPem());
  Add("README", "not a certificate");
  EXPECT_EQ(Must(Load()).size(), 3U);
}

TEST_F(VendorRootsTest, AreNoneWithoutADirectory) {
  EXPECT_TRUE(Must(issuer::LoadRoots("")).empty());
  EXPECT_TRUE(Must(issuer::LoadRoots("/nonexistent/roots")).empty());
}

TEST_F(VendorRootsTest, MayBeDer) {
  const auto root = Root("one");
  Add("one.der", std::string(AsText(root.der())));
  ASSERT_EQ(Must(Load()).size(), 1U);
  EXPECT_EQ(Must(Load()).front().der(), root.der());
}

TEST_F(VendorRootsTest, NameTheFileThatHoldsNone) {
  for (const char* content : {"", "junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n"}) {
    const std::string path = Add("bad.crt", content);
    const auto roots = Load();
    ASSERT_FALSE(roots) << content;
    EXPECT_EQ(roots.error().Name(), "vendor-root-invalid") << content;
    EXPECT_NE(roots.error().text.find(path), std::string::npos) << roots.error().text;
  }
}

TEST_F(VendorRootsTest, NameTheFileThatDoesNotParse) {
  Add("good.pem", Root("one").ToPem());
  Add("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const auto roots = Load();
  ASSERT_FALSE(roots);
  EXPECT_NE(roots.error().text.find("bad.pem"), std::string::npos) << roots.error().text;
}

TEST_F(VendorRootsTest, AreNotReadFromAFile) {
  const auto roots = issuer::LoadRoots(Add("roots.pem", Root("one").ToPem()));
  ASSERT_FALSE(roots);
  EXPECT_EQ(roots.error().Name(), "vendor-roots-unreadable");
}

}  // namespace
}  // namespace lodekey::test
