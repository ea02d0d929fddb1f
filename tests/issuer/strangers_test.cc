#include "issuer/strangers.h"

#include <map>

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"

namespace lodekey::test {
namespace {

class StrangersTest : public testing::Test {
 protected:
  // What somebody at `source` is told: why, or that it asks too often.
  std::string Told(const std::string& source) {
    const Error error{.code = Code::kDenied, .name = "the-reason"};
    return std::string(strangers.Refuse(source, error, issuer::kTooManyEnrolments).error().Name());
  }

  issuer::Strangers strangers{config()};

 private:
  static issuer::IssuerConfig config() {
    issuer::IssuerConfig config = DefaultIssuerConfig();
    config.enrolments_per_second = 50;
    config.enrolments_per_source = 2;
    return config;
  }
};

TEST_F(StrangersTest, AreToldWhyAsOftenAsTheirSourceMayHearIt) {
  std::map<std::string, int> told;
  for (int i = 0; i < 1000; ++i) ++told[Told("one")];
  EXPECT_GE(told["the-reason"], 2);
  EXPECT_GE(told["too-many-enrolments"], 1);
  EXPECT_EQ(told.size(), 2U);
  EXPECT_EQ(Told("other"), "the-reason");
}

TEST_F(StrangersTest, ShareOneLimitWhateverTheirAddress) {
  std::map<std::string, int> told;
  for (int source = 0; source < 1000; ++source) ++told[Told(std::to_string(source))];
  EXPECT_GE(told["the-reason"], 50);
  EXPECT_GE(told["too-many-enrolments"], 1);
}

// A node at the same address is let in however often others there are refused.
TEST_F(StrangersTest, AreRefusedWithoutKeepingOthersAtTheirAddressOut) {
  for (int i = 0; i < 100; ++i) Told("one");
  EXPECT_TRUE(strangers.Admit("one", issuer::kTooManyEnrolments));
}

TEST_F(StrangersTest, CauseNoMoreWorkThanTheirSourceMay) {
  size_t admitted = 0;
  while (admitted < 100'000 && strangers.Admit("one", issuer::kTooManyAttestations)) ++admitted;
  EXPECT_GE(admitted, issuer::Strangers::kCallsPerSource);
  EXPECT_LT(admitted, 100'000U);
  EXPECT_TRUE(strangers.Admit("other", issuer::kTooManyAttestations));
}

}  // namespace
}  // namespace lodekey::test
