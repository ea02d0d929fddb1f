#include "base/spiffe_id.h"

#include <gtest/gtest.h>

namespace lodekey {
namespace {

TEST(TrustDomain, FollowsTheSpiffeSyntax) {
  for (const char* text : {"example.org", "a", "fleet-1.edge_2.example"}) {
    EXPECT_TRUE(CheckTrustDomain(text)) << text;
  }
  EXPECT_TRUE(CheckTrustDomain(std::string(255, 'a')));
}

TEST(TrustDomain, RefusesAnythingElse) {
  for (const char* text : {"", "Example.org", "spiffe://example.org", "example.org/", "a:1", "a b",
                           "exämple", "a\n"}) {
    EXPECT_FALSE(CheckTrustDomain(text)) << text;
  }
  EXPECT_FALSE(CheckTrustDomain(std::string(256, 'a')));
}

TEST(SpiffeId, TakesTrustDomainAndPathApart) {
  const auto id = ParseSpiffeId("spiffe://example.org/site/Berlin-1/web_2.x");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->trust_domain, "example.org");
  EXPECT_EQ(id->path, "/site/Berlin-1/web_2.x");
  EXPECT_EQ(id->ToString(), "spiffe://example.org/site/Berlin-1/web_2.x");
}

TEST(SpiffeId, MayNameATrustDomainAlone) {
  const auto id = ParseSpiffeId("spiffe://example.org");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->path, "");
}

TEST(SpiffeId, RefusesWhatTheStandardRefuses) {
  for (const char* text : {"",
                           "spiffe://",
                           "spiffe:///path",
                           "SPIFFE://example.org/a",
                           "https://example.org/a",
                           "spiffe://Example.org/a",
                           "spiffe://example.org/",
                           "spiffe://example.org/a/",
                           "spiffe://example.org//a",
                           "spiffe://example.org/a//b",
                           "spiffe://example.org/.",
                           "spiffe://example.org/a/../b",
                           "spiffe://example.org:80/a",
                           "spiffe://user@example.org/a",
                           "spiffe://example.org/a?b",
                           "spiffe://example.org/a#b",
                           "spiffe://example.org/%41",
                           "spiffe://example.org/ä",
                           "spiffe://example.org/a b",
                           "spiffe://exam ple.org/a",
                           "spiffe://example.org\n/a"}) {
    const auto id = ParseSpiffeId(text);
    ASSERT_FALSE(id) << text;
    EXPECT_EQ(id.error().Name(), "spiffe-id-invalid") << text;
  }
}

TEST(SpiffeId, HasTheLengthsOfTheStandard) {
  const std::string domain(255, 'a');
  EXPECT_TRUE(ParseSpiffeId("spiffe://" + domain));
  EXPECT_FALSE(ParseSpiffeId("spiffe://" + domain + "a"));
  const std::string prefix = "spiffe://example.org/";
  EXPECT_TRUE(ParseSpiffeId(prefix + std::string(2048 - prefix.size(), 'a')));
  EXPECT_FALSE(ParseSpiffeId(prefix + std::string(2049 - prefix.size(), 'a')));
}

TEST(SpiffeId, NeverShowsControlCharactersOfWhatItRefuses) {
  const auto id = ParseSpiffeId("spiffe://example.org/a\x1b[31m");
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace lodekey
