#include <filesystem>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "crypto/certificate_builder.h"
#include "crypto/private_key.h"
#include "tests/cli/fakes.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"

namespace lodekey::cli {
namespace {

using platform::ScratchDir;
using test::Must;

// An identity as the agent hands it out.
X509SVID Svid(const std::string& name) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const Time now = Time(Duration(kNowMs));
  const auto certificate =
      Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                    .common_name = {},
                                    .organization = {},
                                    .not_before = now,
                                    .not_after = now + std::chrono::hours(1),
                                    .uri_sans = {"spiffe://e.example/" + name}},
                                   key.public_key(), nullptr, key));
  X509SVID svid;
  svid.set_spiffe_id("spiffe://e.example/" + name);
  svid.set_x509_svid(std::string(AsText(certificate.der())));
  svid.set_bundle(std::string(AsText(certificate.der())) + std::string(AsText(certificate.der())));
  svid.set_x509_svid_key(std::string(AsText(Must(key.ToDer()).Reveal())));
  return svid;
}

X509SVIDResponse Update(const std::vector<std::string>& names) {
  X509SVIDResponse response;
  for (const std::string& name : names) *response.add_svids() = Svid(name);
  return response;
}

mode_t ModeOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

TEST(SvidFetch, ShowsIdentitiesAndNoKey) {
  CommandRig rig;
  rig.workload_api.updates = {Update({"web"})};
  rig.workload_api.updates[0].mutable_svids(0)->set_hint("internal");
  EXPECT_EQ(rig.Run({"svid", "fetch", "x509"}), 0) << rig.err();
  EXPECT_NE(rig.out().find("spiffe://e.example/web"), std::string::npos) << rig.out();
  EXPECT_NE(rig.out().find("internal"), std::string::npos) << rig.out();
  EXPECT_EQ(rig.Run({"svid", "fetch", "x509", "-o", "json"}), 0);
  const auto svid = rig.Json().at("svids").at(0);
  EXPECT_EQ(svid.at("spiffe_id"), "spiffe://e.example/web");
  EXPECT_EQ(svid.at("not_after"), "2026-06-01T01:00:00.000Z");
  EXPECT_TRUE(svid.at("x509_svid").get<std::string>().starts_with("-----BEGIN CERTIFICATE-----"));
  EXPECT_EQ(rig.out().find("PRIVATE KEY"), std::string::npos);
}

TEST(SvidFetch, WritesFilesWithTheKeyForTheirOwnerAlone) {
  CommandRig rig;
  const ScratchDir scratch;
  const std::string directory = scratch / "svids";
  rig.workload_api.updates = {Update({"web", "db"})};
  EXPECT_EQ(rig.Run({"svid", "fetch", "x509", "--write", directory}), 0) << rig.err();
  for (const char* file : {"svid.0.pem", "svid.1.pem", "bundle.0.pem", "bundle.1.pem"})
    EXPECT_EQ(ModeOf(directory + "/" + file), 0644U);
  EXPECT_EQ(ModeOf(directory + "/svid.0.key"), 0600U);
  EXPECT_EQ(ModeOf(directory), 0700U);
  EXPECT_NE(rig.out().find("Wrote " + directory + "/svid.1.key."), std::string::npos) << rig.out();
}

TEST(SvidFetch, EndsWithTheReasonOfTheAgent) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"svid", "fetch", "x509"}), 4);
  EXPECT_NE(rig.err().find("[no-identity]"), std::string::npos) << rig.err();
}

TEST(SvidFetch, RefusesWhatIsNoSvid) {
  const auto broken = [](auto change) {
    CommandRig rig;
    rig.workload_api.updates = {Update({"web"})};
    change(*rig.workload_api.updates[0].mutable_svids(0));
    EXPECT_NE(rig.Run({"svid", "fetch", "x509"}), 0);
    return rig.err().find("[svid-invalid]") != std::string::npos;
  };
  EXPECT_TRUE(broken([](X509SVID& svid) { svid.clear_x509_svid(); }));
  EXPECT_TRUE(broken([](X509SVID& svid) { svid.mutable_x509_svid()->pop_back(); }));
  EXPECT_TRUE(broken([](X509SVID& svid) { svid.set_bundle("0"); }));
  EXPECT_TRUE(broken([](X509SVID& svid) { svid.set_x509_svid_key("no key"); }));
  EXPECT_TRUE(
      broken([](X509SVID& svid) { svid.set_x509_svid_key(Svid("other").x509_svid_key()); }));
}

TEST(SvidFetch, AsksForAJwtSvid) {
  CommandRig rig;
  JWTSVIDResponse response;
  auto* svid = response.add_svids();
  svid->set_spiffe_id("spiffe://e.example/web");
  svid->set_svid("a.b.c");
  rig.workload_api.jwt = response;
  EXPECT_EQ(rig.Run({"svid", "fetch", "jwt", "--audience", "vault", "--audience", "db",
                     "--spiffe-id", "spiffe://e.example/web"}),
            0);
  EXPECT_EQ(rig.workload_api.purpose.audiences, (std::vector<std::string>{"db", "vault"}));
  EXPECT_EQ(rig.workload_api.spiffe_id, "spiffe://e.example/web");
  EXPECT_EQ(rig.out(), "spiffe://e.example/web\na.b.c\n");
  EXPECT_EQ(rig.Run({"svid", "fetch", "jwt", "--audience", "vault", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json().at("svids").at(0).at("svid"), "a.b.c");
  EXPECT_EQ(rig.Run({"svid", "fetch", "jwt"}), 2) << "an audience is required";
}

TEST(SvidFetch, SaysWhatAJwtSvidIsFor) {
  CommandRig rig;
  rig.workload_api.jwt = JWTSVIDResponse();
  EXPECT_EQ(rig.Run({"svid", "fetch", "jwt", "--audience", "db", "--scope", "write", "--scope",
                     "read", "--task", "nightly backup"}),
            0)
      << rig.err();
  EXPECT_EQ(rig.workload_api.purpose,
            (attest::TokenPurpose{
                .audiences = {"db"}, .scopes = {"read", "write"}, .task = "nightly backup"}));
  EXPECT_NE(rig.Run({"svid", "fetch", "jwt", "--audience", "db", "--scope", "read write"}), 0);
  EXPECT_NE(rig.err().find("[scope-invalid]"), std::string::npos) << rig.err();
  EXPECT_NE(rig.Run({"svid", "fetch", "jwt", "--audience", "db", "--task", "a\nb"}), 0);
  EXPECT_NE(rig.err().find("[task-invalid]"), std::string::npos) << rig.err();
}

TEST(SvidWatch, ShowsEachUpdateUntilTheStreamEnds) {
  CommandRig rig;
  rig.workload_api.updates = {Update({"web"}), Update({"web", "db"})};
  EXPECT_EQ(rig.Run({"svid", "watch"}), 4);
  EXPECT_NE(rig.out().find("update 1 at "), std::string::npos);
  EXPECT_NE(rig.out().find("update 2 at "), std::string::npos);
  EXPECT_NE(rig.out().find("spiffe://e.example/db"), std::string::npos);
  EXPECT_NE(rig.err().find("[no-identity]"), std::string::npos);
  EXPECT_EQ(rig.Run({"svid", "watch", "--count", "1"}), 0);
  EXPECT_EQ(rig.out().find("update 2 at "), std::string::npos);
}

TEST(SvidSocket, IsFoundAsOtherClientsFindIt) {
  CommandRig rig;
  const auto asked = [&](std::vector<std::string> arguments) {
    rig.workload_api.socket.clear();
    arguments.insert(arguments.begin(), {"svid", "fetch", "x509"});
    rig.Run(std::move(arguments));
    return rig.workload_api.socket;
  };
  EXPECT_EQ(asked({}), "/run/lodekey/workload.sock");
  EXPECT_EQ(asked({"--workload-socket", "/tmp/w.sock"}), "/tmp/w.sock");
  ::setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///tmp/spire.sock", 1);
  EXPECT_EQ(asked({}), "/tmp/spire.sock");
  ::setenv("SPIFFE_ENDPOINT_SOCKET", "unix:/tmp/one.sock", 1);
  EXPECT_EQ(asked({}), "/tmp/one.sock");
  for (const char* wrong : {"tcp://127.0.0.1:80", "unix://host/x", "relative", "unix:///a?b"}) {
    ::setenv("SPIFFE_ENDPOINT_SOCKET", wrong, 1);
    EXPECT_EQ(asked({}), "") << wrong;
    EXPECT_NE(rig.err().find("SPIFFE_ENDPOINT_SOCKET"), std::string::npos) << rig.err();
  }
  ::unsetenv("SPIFFE_ENDPOINT_SOCKET");
}

}  // namespace
}  // namespace lodekey::cli
