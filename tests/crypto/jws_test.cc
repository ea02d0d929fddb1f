#include "crypto/jws.h"

#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

constexpr std::string_view kHeader = R"({"alg":"ES256","kid":"k1"})";
constexpr std::string_view kPayload = R"({"sub":"spiffe://example.org/web"})";

PrivateKey NewKey() { return Must(PrivateKey::GenerateEc(Curve::kP256)); }

// The example of RFC 7515, appendix A.3.
TEST(Jws, VerifiesTheExampleOfTheStandard) {
  const auto jws = Must(ParseJws(
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
      "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8"
      "ISlSApmWQxfKTUJqPP3-Kg6NU1Q"));
  EXPECT_EQ(jws.header, R"({"alg":"ES256"})");
  const auto key = Must(PublicKey::FromEcPoint(
      Curve::kP256,
      {.x = Must(ParseBase64Url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", 32)),
       .y = Must(ParseBase64Url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", 32))}));
  EXPECT_TRUE(VerifyJws(key, jws));
}

TEST(Jws, VerifiesWhatItSigned) {
  const PrivateKey key = NewKey();
  const std::string text = Must(SignJws(key, JwsSigningInput(kHeader, kPayload)));
  const auto jws = Must(ParseJws(text));
  EXPECT_EQ(jws.header, kHeader);
  EXPECT_EQ(jws.payload, kPayload);
  EXPECT_TRUE(VerifyJws(key.public_key(), jws));
  EXPECT_EQ(VerifyJws(NewKey().public_key(), jws).error().Name(), "signature-invalid");
}

TEST(Jws, RefusesEveryChangedByte) {
  const PrivateKey key = NewKey();
  const std::string text = Must(SignJws(key, JwsSigningInput(kHeader, kPayload)));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto jws = ParseJws(changed);
    EXPECT_FALSE(jws && VerifyJws(key.public_key(), *jws)) << i;
  }
}

TEST(Jws, RefusesOtherForms) {
  const PrivateKey key = NewKey();
  const std::string text = Must(SignJws(key, JwsSigningInput(kHeader, kPayload)));
  const std::string unsigned_text = text.substr(0, text.rfind('.') + 1);
  for (const std::string& other :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"), text + ".",
        text + "=", "." + text, text + "\n", unsigned_text, std::string(kMaxJwsSize + 1, 'a')}) {
    const auto jws = ParseJws(other);
    ASSERT_FALSE(jws) << other.substr(0, 100);
    EXPECT_EQ(jws.error().Name(), "jws-malformed");
  }
}

TEST(Jws, RefusesASignatureOfZeros) {
  const std::string text =
      JwsSigningInput(kHeader, kPayload) + "." + ToBase64Url(Bytes(kEs256SignatureSize, 0));
  EXPECT_EQ(VerifyJws(NewKey().public_key(), Must(ParseJws(text))).error().Name(),
            "signature-invalid");
}

TEST(Jws, SignsWithP256Alone) {
  const PrivateKey key = Must(PrivateKey::GenerateEc(Curve::kP384));
  EXPECT_EQ(SignJws(key, "a.b").error().code, Code::kInvalidArgument);
  const auto jws = Must(ParseJws(Must(SignJws(NewKey(), JwsSigningInput(kHeader, kPayload)))));
  EXPECT_EQ(VerifyJws(key.public_key(), jws).error().Name(), "signature-invalid");
}

}  // namespace
}  // namespace lodekey::crypto
