#include "crypto/jwks.h"

#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "crypto/private_key.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

// The public key of RFC 7515, appendix A.3.
PublicKey ExampleKey() {
  return Must(PublicKey::FromEcPoint(
      Curve::kP256,
      {.x = Must(ParseBase64Url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", 32)),
       .y = Must(ParseBase64Url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", 32))}));
}

TEST(Jwks, WritesEachKey) {
  EXPECT_EQ(Must(FormatJwks({}, 1)), R"({"keys":[],"spiffe_sequence":1})");
  EXPECT_EQ(Must(FormatJwks({{"0a", ExampleKey()}}, 7)),
            R"({"keys":[{"kty":"EC","use":"jwt-svid","kid":"0a","crv":"P-256",)"
            R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
            R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}],"spiffe_sequence":7})");
  EXPECT_NE(Must(FormatJwks({{"0a", ExampleKey()}, {"0b", ExampleKey()}}, 7)).find("},{"),
            std::string::npos);
}

TEST(Jwks, RefusesWhatItCannotWriteAsItIs) {
  EXPECT_FALSE(FormatJwks({{"", ExampleKey()}}, 1));
  EXPECT_FALSE(FormatJwks({{"a\"b", ExampleKey()}}, 1));
  const auto other = Must(PrivateKey::GenerateEc(Curve::kP384));
  EXPECT_FALSE(FormatJwks({{"0a", other.public_key()}}, 1));
}

}  // namespace
}  // namespace lodekey::crypto
