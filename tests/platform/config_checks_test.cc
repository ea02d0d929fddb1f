#include "platform/config_checks.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

const std::string kDigest(64, 'a');

TEST(Pin, IsTheDigestOfAPublicKey) {
  EXPECT_EQ(ParsePin("sha256:" + kDigest), Bytes(32, 0xaa));
  EXPECT_TRUE(CheckPin("sha256:" + kDigest));
}

TEST(Pin, RefusesOtherDigestsAndLengths) {
  for (const std::string& text :
       {std::string(kDigest), "sha1:" + kDigest, "SHA256:" + kDigest, std::string("sha256:"),
        "sha256:" + kDigest + "aa", "sha256:" + kDigest.substr(2),
        "sha256:" + kDigest.substr(1) + "g", std::string()}) {
    EXPECT_FALSE(CheckPin(text)) << text;
  }
}

TEST(IssuerAddress, MayLeaveThePortOut) {
  EXPECT_TRUE(CheckIssuerAddress("issuer.example"));
  EXPECT_FALSE(CheckIssuerAddress("issuer.example:none"));
}

}  // namespace
}  // namespace lodekey::platform
