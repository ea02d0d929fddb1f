// What a workload is given.
#include "crypto/certificate.h"
#include "crypto/jws.h"
#include "tests/issuer/issuance_rig.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using IssuedSvidTest = IssuanceTest;

// --- X.509-SVIDs ---

TEST_F(IssuedSvidTest, GivesAnX509SvidAsTheStandardWantsIt) {
  const auto entry = Entry([](auto& written) {
    written.x509_ttl = minutes(30);
    written.dns_names = {"web.example.org", "www.example.org"};
  });
  const auto chain = ChainOf(Get(X509Item(entry)));
  ASSERT_EQ(chain.size(), 2U);
  const crypto::Certificate& leaf = chain.front();
  EXPECT_EQ(leaf.UriSans(), std::vector<std::string>{"spiffe://example.org/web"});
  EXPECT_EQ(leaf.DnsSans(), entry.dns_names);
  EXPECT_EQ(leaf.subject(), "");
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_EQ(leaf.key(), WorkloadKey().public_key());
  EXPECT_EQ(leaf.not_after(), issuer.now + minutes(30));
  EXPECT_EQ(leaf.ExtendedKeyUsages(),
            (std::vector<std::string>{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}));
  EXPECT_TRUE(crypto::BuildChain(leaf, {chain[1]}, {issuer.authority->root()}, {.at = issuer.now}));
}

TEST_F(IssuedSvidTest, NamesASubjectForVerifiersThatAskForOne) {
  const auto entry = Entry([](auto& written) { written.common_name = "web"; });
  EXPECT_EQ(ChainOf(Get(X509Item(entry))).front().subject(), "CN=web");
}

TEST_F(IssuedSvidTest, X509SvidsAreAcceptedByOpenssl) {
  const std::string path = issuer.directory.path();
  Overwrite(path + "/root.pem", issuer.authority->root().ToPem());
  for (const std::string common_name : {"", "web"}) {
    const auto entry = Entry([&](auto& written) {
      written.common_name = common_name;
      written.selectors.front().value = common_name.empty() ? "1000" : "1001";
      written.dns_names = {"web.example.org"};
    });
    const auto chain = ChainOf(Get(X509Item(entry)));
    ASSERT_EQ(chain.size(), 2U);
    Overwrite(path + "/intermediate.pem", chain[1].ToPem());
    Overwrite(path + "/leaf.pem", chain[0].ToPem());
    const auto moment = std::chrono::floor<seconds>(issuer.now).time_since_epoch().count();
    for (const auto* purpose : {"sslclient", "sslserver"}) {
      const Finished verified = RunProgram(
          {"/usr/bin/openssl", "verify", "-x509_strict", "-attime", std::to_string(moment),
           "-purpose", purpose, "-verify_hostname", "web.example.org", "-CAfile",
           path + "/root.pem", "-untrusted", path + "/intermediate.pem", path + "/leaf.pem"});
      EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    }
    const std::string text =
        RunProgram({"/usr/bin/openssl", "x509", "-noout", "-text", "-in", path + "/leaf.pem"}).out;
    EXPECT_NE(text.find("CA:FALSE"), std::string::npos) << text;
    EXPECT_NE(text.find("Digital Signature"), std::string::npos) << text;
    EXPECT_EQ(text.find("Certificate Sign"), std::string::npos) << text;
    // RFC 5280, section 4.2.1.6.
    EXPECT_EQ(text.find("Alternative Name: critical") != std::string::npos, common_name.empty());
  }
}

// --- JWT-SVIDs ---

struct Token {
  crypto::Jws jws;
  nlohmann::json header;
  nlohmann::json claims;
};

Token Read(const std::string& text) {
  auto jws = Must(crypto::ParseJws(text));
  const auto header = nlohmann::json::parse(jws.header);
  const auto claims = nlohmann::json::parse(jws.payload);
  return {.jws = std::move(jws), .header = header, .claims = claims};
}

TEST_F(IssuedSvidTest, GivesAJwtSvidAsTheStandardWantsIt) {
  const auto entry = Entry([](auto& written) { written.jwt_audiences = {"db", "cache"}; });
  auto item = JwtItem(entry);
  item.mutable_jwt()->add_audiences("cache");
  const auto outcome = Get(item);
  ASSERT_EQ(Answer(outcome), "jwt");
  const Token token = Read(outcome.jwt().token());
  EXPECT_EQ(token.header["alg"], "ES256");
  EXPECT_EQ(token.header["typ"], "JWT");
  EXPECT_EQ(token.claims["sub"], "spiffe://example.org/web");
  EXPECT_EQ(token.claims["aud"], nlohmann::json({"db", "cache"}));
  const int64_t now = std::chrono::floor<seconds>(issuer.now).time_since_epoch().count();
  EXPECT_EQ(token.claims["iat"], now);
  EXPECT_EQ(token.claims["exp"], now + 300);
  EXPECT_EQ(outcome.jwt().issued_unix_ms(), now * 1000);
  EXPECT_EQ(outcome.jwt().expires_unix_ms(), (now + 300) * 1000);

  const auto published = issuer.authority->jwt().Published();
  EXPECT_EQ(token.header["kid"], published.keys.front().id) << "the one that signs";
  Must(crypto::VerifyJws(published.keys.front().key, token.jws));
  const auto serial = Lines("credential.issued").back()["serial"];
  EXPECT_EQ(token.claims["jti"], serial) << "by which the audit log is searched";
}

TEST_F(IssuedSvidTest, GivesATokenWithScopeAndTaskWhereThePolicyDoes) {
  issuer.Choose("/issuance/scopes", {"read", "write"});
  auto item = JwtItem(Entry());
  item.mutable_jwt()->add_scopes("write");
  item.mutable_jwt()->add_scopes("read");
  item.mutable_jwt()->set_task("ticket 7");
  const auto outcome = Get(item);
  ASSERT_EQ(Answer(outcome), "jwt");
  const Token token = Read(outcome.jwt().token());
  EXPECT_EQ(token.claims["scope"], "write read");
  EXPECT_EQ(token.claims["task"], "ticket 7");
  item.mutable_jwt()->add_scopes("admin");
  const auto refused = Get(item);
  EXPECT_EQ(Answer(refused), "scope-not-allowed");
  EXPECT_EQ(refused.refused().decision().point(), "issuance");
  EXPECT_FALSE(refused.refused().decision().allowed());
  EXPECT_EQ(refused.refused().decision().input_digest().size(), 32U);
}

TEST_F(IssuedSvidTest, AJwtSvidIsSignedByTheKeyThatItNamesThoughAnotherSignsSince) {
  const auto entry = Entry();
  issuer.store->Hold();
  auto answer = issuer.IssueLater(host.certificate(), RequestOf({JwtItem(entry)}));
  const auto before = issuer.authority->jwt().Published();
  Must(issuer.authority->Refresh(issuer.now + issuer.config.jwt_key_ttl));
  ASSERT_GT(issuer.authority->jwt().bundle_sequence(), before.sequence);
  issuer.store->Release();
  const Token token = Read(Must(answer.get()).outcomes(0).jwt().token());
  EXPECT_EQ(token.header["kid"], before.keys.front().id);
  Must(crypto::VerifyJws(before.keys.front().key, token.jws));
}

TEST_F(IssuedSvidTest, ATokenOfAKeyThatIsPublishedNoMoreIsNotSigned) {
  const auto entry = Entry();
  issuer.store->Hold();
  auto answer = issuer.IssueLater(host.certificate(), RequestOf({JwtItem(entry)}));
  Time late = issuer.now + issuer.config.jwt_key_ttl;
  Must(issuer.authority->Refresh(late));
  late += issuer::JwtKeySet::kRetention;
  Must(issuer.authority->Refresh(late));
  issuer.store->Release();
  EXPECT_EQ(Answer(answer.get()), "authority-expired");
}

}  // namespace
}  // namespace lodekey::test
