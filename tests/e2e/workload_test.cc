// Workloads and what they get, with the real programs and clients that are not ours.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

// The interpreter that ./dev gives the stock clients; "" where it could not be installed.
std::string StockPython() {
  const char* source = std::getenv("LODEKEY_SOURCE");
  const std::string path =
      std::string(source == nullptr ? "." : source) + "/build/python/bin/python";
  return ::access(path.c_str(), X_OK) == 0 ? path : "";
}

// Every process of the test is one workload: its user is the selector.
class WorkloadEndToEnd : public DeploymentTest {
 protected:
  void SetUp() override {
    SetUpWith();
    Enrol();
  }

  std::string Create(const std::string& path, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "entry",  "create", "--spiffe-id", "spiffe://e2e.example" + path,
        "--node", ek_,      "--selector",  Uid()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return issuer_->AdminJson(arguments)["entries"][0]["after"].value("id", "");
  }
  static std::string Uid() { return fmt::format("unix:uid:{}", ::getuid()); }
  std::string socket() const { return agent_->directory / "run/workload.sock"; }

  Finished Fetch(std::vector<std::string> arguments = {"x509"}) const {
    arguments.insert(arguments.begin(), {"-o", "json", "svid", "fetch"});
    return agent_->Run(arguments);
  }
  // What this process is, the default identity first; empty: it has none.
  std::vector<std::string> Identities() const {
    const auto json = nlohmann::json::parse(Fetch().out, nullptr, /*allow_exceptions=*/false);
    std::vector<std::string> ids;
    if (json.is_object())
      for (const auto& svid : json["svids"]) ids.push_back(svid.value("spiffe_id", ""));
    return ids;
  }
  bool WaitFor(const std::vector<std::string>& ids) const {
    return Eventually([&] { return Identities() == ids; });
  }
  // `svid watch` in the background.
  std::unique_ptr<Daemon> Watch() const {
    auto watch =
        std::make_unique<Daemon>(std::vector<std::string>{ProgramPath("lodekey"), "svid", "watch",
                                                          "--workload-socket", socket()},
                                 agent_->directory / "watch.log");
    watch->Start();
    EXPECT_TRUE(Eventually([&] { return watch->Log().find("update 1") != std::string::npos; }))
        << watch->Log();
    return watch;
  }
  Finished Python(const std::string& program) const {
    return RunProgram({"/usr/bin/env", "SPIFFE_ENDPOINT_SOCKET=unix://" + socket(), StockPython(),
                       "-c", program});
  }
};

TEST_F(WorkloadEndToEnd, AnEntryGivesAnIdentityThatOpensslVerifies) {
  Create("/web", {"--dns", "web.e2e.example", "--common-name", "web", "--x509-svid-ttl", "10m"});
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err << agent_->daemon.Log();
  const std::string directory = agent_->directory / "svids";
  ASSERT_EQ(Fetch({"x509", "--write", directory}).exit_code, 0);
  for (const char* purpose : {"sslclient", "sslserver"}) {
    const Finished verified =
        RunProgram({"/usr/bin/openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile",
                    directory + "/bundle.0.pem", "-untrusted", directory + "/svid.0.pem",
                    directory + "/svid.0.pem"});
    EXPECT_EQ(verified.exit_code, 0) << verified.err << verified.out;
  }
  const Finished shown =
      RunProgram({"/usr/bin/openssl", "x509", "-in", directory + "/svid.0.pem", "-noout", "-text"});
  for (const char* wanted : {"CN = web", "URI:spiffe://e2e.example/web", "DNS:web.e2e.example",
                             "CA:FALSE", "Digital Signature"})
    EXPECT_NE(shown.out.find(wanted), std::string::npos) << wanted << "\n" << shown.out;
}

TEST_F(WorkloadEndToEnd, StockClientGetsX509AndJwtAndVerifiesThem) {
  if (StockPython().empty()) GTEST_SKIP() << "the stock clients are not installed";
  Create("/web", {"--jwt-audience", "vault", "--hint", "internal"});
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  const Finished got = Python(R"(
import time
from spiffe import WorkloadApiClient, TrustDomain, JwtSvid
with WorkloadApiClient() as client:
    x509 = client.fetch_x509_svid(timeout=10)
    bundles = client.fetch_x509_bundles(timeout=10)
    roots = bundles.get_bundle_for_trust_domain(TrustDomain("e2e.example")).x509_authorities
    token = client.fetch_jwt_svid(audience={"vault"}, timeout=10)
    keys = client.fetch_jwt_bundles(timeout=10).get_bundle_for_trust_domain(TrustDomain("e2e.example"))
    offline = JwtSvid.parse_and_validate(token.token, keys, {"vault"})
    online = client.validate_jwt_svid(token.token, "vault", timeout=10)
    assert 0 < token.expiry - time.time() <= 300, token.expiry
    try:
        client.validate_jwt_svid(token.token, "other", timeout=10)
        raise SystemExit("another audience was accepted")
    except Exception as error:
        assert "audience" in str(error), error
    try:
        client.fetch_jwt_svid(audience={"bank"}, timeout=10)
        raise SystemExit("an audience that the entry does not have was issued")
    except Exception as error:
        assert "PERMISSION_DENIED" in str(error), error
    print(x509.spiffe_id, len(roots), token.spiffe_id, offline.spiffe_id, online.spiffe_id)
)");
  const std::string id = "spiffe://e2e.example/web";
  EXPECT_EQ(got.out, fmt::format("{0} 1 {0} {0} {0}\n", id)) << got.err;
}

TEST_F(WorkloadEndToEnd, EachEntryIsAnIdentityTheOldestFirst) {
  Create("/{{site}}/web");
  Create("/two", {"--hint", "second"});
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/two"})) << "the node has no label 'site' yet";
  const Finished explained = agent_->Run({"explain", "--pid", std::to_string(::getpid())});
  EXPECT_NE(explained.out.find("the node has no label 'site'"), std::string::npos) << explained.out;
  ASSERT_EQ(issuer_->Admin({"node", "allow", ek_, "--label", "site=berlin"}).exit_code, 0);
  EXPECT_TRUE(WaitFor({"spiffe://e2e.example/berlin/web", "spiffe://e2e.example/two"}))
      << Fetch().out;
}

TEST_F(WorkloadEndToEnd, ADeletedEntryEndsItsStream) {
  const std::string entry = Create("/web");
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  const auto watch = Watch();
  ASSERT_EQ(issuer_->Admin({"entry", "delete", entry}).exit_code, 0);
  EXPECT_EQ(watch->Wait(), 4);
  EXPECT_NE(watch->Log().find("[no-identity]"), std::string::npos) << watch->Log();
  EXPECT_TRUE(Identities().empty());
}

TEST_F(WorkloadEndToEnd, AnotherEntryLosesNothingWhenOneIsDeleted) {
  const std::string entry = Create("/web");
  Create("/other");
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web", "spiffe://e2e.example/other"})) << Fetch().err;
  ASSERT_EQ(issuer_->Admin({"entry", "delete", entry}).exit_code, 0);
  EXPECT_TRUE(WaitFor({"spiffe://e2e.example/other"}));
}

TEST_F(WorkloadEndToEnd, ARemovedNodeEndsEveryStreamWithTheReason) {
  Create("/web");
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  const auto watch = Watch();
  ASSERT_EQ(issuer_->Admin({"node", "remove", ek_}).exit_code, 0);
  EXPECT_EQ(watch->Wait(), 4);
  EXPECT_NE(watch->Log().find("[node-removed]"), std::string::npos) << watch->Log();
}

TEST_F(WorkloadEndToEnd, ARefusedNodeEndsEveryStreamAndComesBack) {
  Create("/web");
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  const auto watch = Watch();
  ExtendPcr(8);
  EXPECT_EQ(watch->Wait(), 4);
  // By the issuer's stream, or by the verdict, whichever came first.
  const std::string log = watch->Log();
  EXPECT_TRUE(log.find("[node-refused]") != log.npos ||
              log.find("[pcr-changed-in-boot]") != log.npos)
      << log;
  EXPECT_TRUE(Identities().empty());
  ASSERT_EQ(issuer_->Admin({"node", "approve-pcrs", ek_, "--pcr", "8"}).exit_code, 0);
  EXPECT_EQ(agent_->Run({"attest"}).exit_code, 0);
  EXPECT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
}

TEST_F(WorkloadEndToEnd, IdentitiesOutliveTheIssuersAbsence) {
  Create("/web");
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  const auto watch = Watch();
  issuer_->daemon.Signal(SIGTERM);
  ASSERT_TRUE(WaitForProblem("issuer-unreachable"));
  EXPECT_EQ(Identities(), std::vector<std::string>{"spiffe://e2e.example/web"});
  issuer_->Start();
  ASSERT_TRUE(agent_->WaitForAttestation());
  Create("/later");
  EXPECT_TRUE(WaitFor({"spiffe://e2e.example/web", "spiffe://e2e.example/later"})) << Fetch().err;
  EXPECT_NE(watch->Log().find("spiffe://e2e.example/later"), std::string::npos) << watch->Log();
}

TEST_F(WorkloadEndToEnd, WithoutSystemdARestartFetchesThemAgain) {
  Create("/web");
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  agent_->daemon.Signal(SIGTERM);
  agent_->Start();
  EXPECT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << agent_->daemon.Log();
}

// No key, neither of the host nor of a workload, is in a file or in a log.
TEST_F(WorkloadEndToEnd, NoKeyOfAWorkloadIsOnDisk) {
  Create("/web", {"--jwt-audience", "*"});
  ASSERT_TRUE(WaitFor({"spiffe://e2e.example/web"})) << Fetch().err;
  const std::string directory = agent_->directory / "svids";
  ASSERT_EQ(Fetch({"x509", "--write", directory}).exit_code, 0);
  const Finished der = RunProgram({"/usr/bin/openssl", "pkey", "-in", directory + "/svid.0.key",
                                   "-outform", "DER", "-out", directory + "/key.der"});
  ASSERT_EQ(der.exit_code, 0) << der.err;
  const std::string key = ReadText(directory + "/key.der");
  std::filesystem::remove_all(directory);
  ASSERT_GT(key.size(), 100u);
  const std::string scalar = key.substr(36, 32);  // of PKCS#8 with a P-256 key
  int files = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(std::string(agent_->directory / ""))) {
    if (!file.is_regular_file()) continue;
    ++files;
    EXPECT_EQ(ReadText(file.path()).find(scalar), std::string::npos) << file.path();
  }
  EXPECT_GT(files, 3);
}

}  // namespace
}  // namespace lodekey::test
