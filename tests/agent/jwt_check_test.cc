#include "agent/jwt_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "crypto/jws.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using test::Must;

constexpr int64_t kNow = 1'800'000'000;  // seconds

class JwtCheckTest : public testing::Test {
 protected:
  std::string Token(const std::string& header, const std::string& payload) {
    return Must(crypto::SignJws(key_, crypto::JwsSigningInput(header, payload)));
  }
  Result<JwtSvid> Check(const std::string& token, const std::string& audience = "vault") {
    return CheckJwtSvid(token, audience, "example.org", {{"0a", key_.public_key()}},
                        Time(std::chrono::seconds(kNow)));
  }
  std::string NameOf(const std::string& header, const std::string& payload) {
    const auto checked = Check(Token(header, payload));
    return checked ? "" : std::string(checked.error().Name());
  }

  crypto::PrivateKey key_ = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const std::string header_ = R"({"alg":"ES256","kid":"0a","typ":"JWT"})";
  const std::string payload_ =
      R"({"sub":"spiffe://example.org/web","aud":["vault","db"],"exp":1800000300,"iat":1799999999})";
};

TEST_F(JwtCheckTest, GivesIdentityAndClaimsOfAGoodToken) {
  const auto svid = Must(Check(Token(header_, payload_)));
  EXPECT_EQ(svid.id.ToString(), "spiffe://example.org/web");
  EXPECT_EQ(svid.claims.fields().at("iat").number_value(), 1799999999);
  EXPECT_TRUE(Check(Token(header_, payload_), "db"));
}

TEST_F(JwtCheckTest, TakesASingleAudienceAsText) {
  EXPECT_EQ(NameOf(header_, R"({"sub":"spiffe://example.org/web","aud":"vault","exp":1800000300})"),
            "");
}

TEST_F(JwtCheckTest, RefusesOtherAudiences) {
  EXPECT_EQ(Check(Token(header_, payload_), "other").error().Name(), "jwt-audience");
  EXPECT_EQ(Check(Token(header_, payload_), "").error().Name(), "jwt-audience");
  for (const char* audience :
       {R"([])", R"("vaul")", R"(["vaultx"])", R"({"a":"vault"})", "1", R"([["vault"]])", "null"}) {
    EXPECT_EQ(NameOf(header_, fmt::format(R"({{"sub":"spiffe://example.org/web","aud":{},)"
                                          R"("exp":1800000300}})",
                                          audience)),
              "jwt-audience")
        << audience;
  }
}

TEST_F(JwtCheckTest, RefusesEveryAlgorithmButEs256) {
  for (const char* algorithm : {R"("none")", R"("None")", R"("HS256")", R"("ES384")", R"("es256")",
                                R"("")", "null", R"(["ES256"])"}) {
    EXPECT_EQ(NameOf(fmt::format(R"({{"alg":{},"kid":"0a"}})", algorithm), payload_),
              "jwt-algorithm")
        << algorithm;
  }
  const std::string token = Token(R"({"alg":"none","kid":"0a"})", payload_);
  EXPECT_EQ(Check(token.substr(0, token.rfind('.') + 1)).error().Name(), "jws-malformed");
}

TEST_F(JwtCheckTest, RefusesKeysThatAreNotOrNoLongerInTheBundle) {
  EXPECT_EQ(NameOf(R"({"alg":"ES256","kid":"0b"})", payload_), "jwt-key-unknown");
  EXPECT_EQ(NameOf(R"({"alg":"ES256"})", payload_), "jwt-key-unknown");
  EXPECT_EQ(NameOf(R"({"alg":"ES256","kid":10})", payload_), "jwt-key-unknown");
  const auto other = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const auto token = Must(crypto::SignJws(other, crypto::JwsSigningInput(header_, payload_)));
  EXPECT_EQ(Check(token).error().Name(), "signature-invalid");
}

TEST_F(JwtCheckTest, RefusesTokensOutsideTheirTime) {
  const auto with = [](const std::string& times) {
    return R"({"sub":"spiffe://example.org/web","aud":"vault")" + times + "}";
  };
  EXPECT_EQ(NameOf(header_, with(R"(,"exp":1800000000)")), "jwt-expired");
  EXPECT_EQ(NameOf(header_, with(R"(,"exp":1800000001)")), "");
  EXPECT_EQ(NameOf(header_, with(R"(,"exp":1800000300,"nbf":1800000001)")), "jwt-not-yet-valid");
  EXPECT_EQ(NameOf(header_, with(R"(,"exp":1800000300,"nbf":1800000000)")), "");
  for (const char* times : {"", R"(,"exp":"1800000300")", R"(,"exp":1e300)", R"(,"exp":null)",
                            R"(,"exp":1800000300,"nbf":"x")"}) {
    EXPECT_EQ(NameOf(header_, with(times)), "jwt-malformed") << times;
  }
}

TEST_F(JwtCheckTest, RefusesSubjectsOfOtherTrustDomains) {
  for (const char* subject :
       {R"("spiffe://other.org/web")", R"("spiffe://example.org")", R"("web")", R"("")", "1"}) {
    EXPECT_EQ(
        NameOf(header_, fmt::format(R"({{"sub":{},"aud":"vault","exp":1800000300}})", subject)),
        "jwt-subject")
        << subject;
  }
}

TEST_F(JwtCheckTest, RefusesWhatIsNoToken) {
  EXPECT_EQ(Check("").error().Name(), "jws-malformed");
  for (const std::string& json : std::vector<std::string>{
           "", "[]", "1", "{", "null", std::string(200, '{'), "{\"a\":" + std::string(5000, '[')}) {
    EXPECT_EQ(NameOf(json, payload_), "jwt-malformed") << json.substr(0, 20);
    EXPECT_EQ(NameOf(header_, json), "jwt-malformed") << json.substr(0, 20);
  }
  EXPECT_EQ(NameOf(R"({"alg":"ES256","kid":"0a","typ":"JWE"})", payload_), "jwt-malformed");
}

}  // namespace
}  // namespace lodekey::agent
