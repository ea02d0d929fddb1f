#include <filesystem>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "cli/bundle_view.h"
#include "crypto/certificate_builder.h"
#include "crypto/encoding.h"
#include "platform/file.h"
#include "tests/cli/fakes.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"

namespace lodekey::cli {
namespace {

using platform::ScratchDir;
using test::Must;

crypto::Certificate MakeRoot(crypto::PrivateKey key) {
  const crypto::CertificateSpec spec{.serial = crypto::RandomSerial(),
                                     .common_name = "root of fleet.example",
                                     .not_before = Time(Duration(kNowMs)),
                                     .not_after = Time(Duration(kNowMs)) + std::chrono::hours(24),
                                     .ca = true};
  return Must(crypto::SignCertificate(spec, key.public_key(), nullptr, key));
}

crypto::Certificate EcRoot(crypto::Curve curve = crypto::Curve::kP256) {
  return MakeRoot(Must(crypto::PrivateKey::GenerateEc(curve)));
}

agent::v1::ShowBundleResponse Response(const std::vector<crypto::Certificate>& roots) {
  agent::v1::ShowBundleResponse response;
  response.set_trust_domain("fleet.example");
  response.set_sequence(3);
  for (const auto& root : roots) response.add_roots(std::string(AsText(root.der())));
  return response;
}

Bytes FromBase64Url(std::string text) {
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text.push_back('=');
  return Must(crypto::ParseBase64(text, 128));
}

TEST(Bundle, IsPemOfEveryRoot) {
  const auto bundle = Must(ReadBundle(Response({EcRoot(), EcRoot()})));
  const auto read = Must(crypto::Certificate::ListFromPem(BundlePem(bundle)));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].der(), bundle.roots[1].der());
}

TEST(Bundle, IsAJwkSetForSpiffe) {
  const auto root = EcRoot(crypto::Curve::kP384);
  const auto bundle = Must(ReadBundle(Response({EcRoot(), root})));
  const auto json = nlohmann::json::parse(Must(BundleSpiffe(bundle)));
  EXPECT_EQ(json["spiffe_sequence"], 3);
  EXPECT_FALSE(json.contains("schema"));
  ASSERT_EQ(json["keys"].size(), 2u);
  const auto key = json["keys"][1];
  EXPECT_EQ(key["use"], "x509-svid");
  EXPECT_EQ(key["kty"], "EC");
  EXPECT_EQ(key["crv"], "P-384");
  EXPECT_EQ(FromBase64Url(key["x"]), Must(root.key().Point()).x);
  EXPECT_EQ(FromBase64Url(key["y"]), Must(root.key().Point()).y);
  ASSERT_EQ(key["x5c"].size(), 1u);
  EXPECT_EQ(Must(crypto::ParseBase64(key["x5c"][0].get<std::string>(), 4096)), root.der());
}

// A bundle of one root and this key of JWT-SVIDs.
agent::v1::ShowBundleResponse WithJwtKey(const std::string& id, const Bytes& key) {
  auto response = Response({EcRoot()});
  auto& added = *response.add_jwt_keys();
  added.set_id(id);
  added.set_public_key(std::string(AsText(key)));
  return response;
}

TEST(Bundle, HasTheKeysOfJwtSvidsBesideTheRoots) {
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256)).public_key();
  const auto bundle = Must(ReadBundle(WithJwtKey("0a1b", key.spki_der())));
  const auto json = nlohmann::json::parse(Must(BundleSpiffe(bundle)));
  ASSERT_EQ(json["keys"].size(), 2u);
  EXPECT_EQ(json["keys"][0]["use"], "x509-svid");
  const auto jwt = json["keys"][1];
  EXPECT_EQ(jwt["use"], "jwt-svid");
  EXPECT_EQ(jwt["kid"], "0a1b");
  EXPECT_EQ(jwt["crv"], "P-256");
  EXPECT_EQ(FromBase64Url(jwt["x"]), Must(key.Point()).x);
  EXPECT_EQ(FromBase64Url(jwt["y"]), Must(key.Point()).y);
  EXPECT_NE(BundleText(bundle).find("0a1b"), std::string::npos);
  EXPECT_EQ(BundleJson(bundle)["jwt_keys"][0]["sha256"], ToHex(key.spki_sha256()));
}

TEST(Bundle, IsRefusedWithAJwtKeyThatIsNone) {
  const auto p256 = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256)).public_key();
  const auto p384 = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP384)).public_key();
  for (const auto& response :
       {WithJwtKey("", p256.spki_der()), WithJwtKey("not hex", p256.spki_der()),
        WithJwtKey("0a", p384.spki_der()), WithJwtKey("0a", ToBytes("not DER"))}) {
    EXPECT_EQ(ReadBundle(response).error().Name(), "bundle-malformed");
  }
}

TEST(Bundle, IsRefusedWithoutARootOrWithOneThatIsNoCertificate) {
  EXPECT_EQ(ReadBundle(Response({})).error().Name(), "bundle-absent");
  auto response = Response({EcRoot()});
  response.add_roots("not DER");
  EXPECT_EQ(ReadBundle(response).error().Name(), "bundle-malformed");
  EXPECT_EQ(ReadBundle(response).error().code, Code::kUntrusted);
}

TEST(BundleShow, PrintsItsSchema) {
  CommandRig rig;
  const auto root = EcRoot();
  rig.agent.bundle = Response({root});
  EXPECT_EQ(rig.Run({"bundle", "show", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["schema"], 1);
  EXPECT_EQ(rig.Json()["sequence"], 3);
  EXPECT_EQ(rig.Json()["roots"][0]["sha256"], ToHex(root.Fingerprint()));
  EXPECT_EQ(rig.Json()["roots"][0]["not_after"], "2026-06-02T00:00:00.000Z");
  EXPECT_EQ(rig.Run({"bundle", "show"}), 0);
  EXPECT_NE(rig.out().find("CN=root of fleet.example"), std::string::npos);
}

TEST(BundleShow, AsksTheIssuerWhenTold) {
  CommandRig rig;
  rig.issuer.bundle = Fail(Code::kUnavailable, "not reachable", {.name = "admin-unreachable"});
  EXPECT_EQ(rig.Run({"bundle", "show", "--admin"}), 5);
}

TEST(BundleExport, PrintsPem) {
  CommandRig rig;
  const auto root = EcRoot();
  rig.agent.bundle = Response({root});
  EXPECT_EQ(rig.Run({"bundle", "export"}), 0);
  EXPECT_EQ(rig.out(), root.ToPem());
  EXPECT_EQ(rig.Run({"bundle", "export", "--format", "jks"}), 2);
}

TEST(BundleExport, ReplacesAFileOnlyWhenItDiffers) {
  const ScratchDir scratch;
  const std::string path = scratch / "roots.pem";
  CommandRig rig;
  const auto root = EcRoot();
  rig.agent.bundle = Response({root});
  EXPECT_EQ(rig.Run({"bundle", "export", "--out", path, "--detailed-exitcode", "-o", "json"}), 10);
  EXPECT_EQ(rig.Json()["changed"], true);
  EXPECT_EQ(Must(platform::ReadTextFile(path)), root.ToPem());
  struct stat before = {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  EXPECT_EQ(before.st_mode & 0777u, 0644u);

  EXPECT_EQ(rig.Run({"bundle", "export", "--out", path, "--detailed-exitcode"}), 0);
  struct stat after = {};
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);

  rig.agent.bundle = Response({EcRoot()});
  EXPECT_EQ(rig.Run({"bundle", "export", "--out", path, "--detailed-exitcode"}), 10);
}

TEST(BundleExport, LeavesTheFileWhenThereIsNoBundle) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("roots.pem", "old");
  CommandRig rig;
  rig.agent.bundle = Response({});
  EXPECT_EQ(rig.Run({"bundle", "export", "--out", path}), 1);
  EXPECT_EQ(Must(platform::ReadTextFile(path)), "old");
}

}  // namespace
}  // namespace lodekey::cli
