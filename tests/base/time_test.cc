#include "base/time.h"

#include <gtest/gtest.h>

namespace lodekey {
namespace {

TEST(Time, SurvivesTheRoundTrip) {
  const auto time = ParseTime("2026-01-31T09:30:00.250Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(FormatTime(*time), "2026-01-31T09:30:00.250Z");
  EXPECT_EQ(FormatTime(*ParseTime("2026-01-31T09:30:00Z")), "2026-01-31T09:30:00.000Z");
  EXPECT_EQ(FormatTime(Time()), "1970-01-01T00:00:00.000Z");
}

TEST(Time, RefusesWhatIsNotRfc3339InUtc) {
  for (const char* text :
       {"", "2026-02-30T00:00:00Z", "2026-01-31 09:30:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T09:30:00", "2026-01-31T09:30:00+01:00", "2026-01-31T09:30:00.25Z",
        "-026-01-31T09:30:00Z", "2026-01-31T09:30:00Zx"}) {
    EXPECT_FALSE(ParseTime(text)) << text;
  }
}

TEST(Duration, ReadsOneNumberAndOneUnit) {
  EXPECT_EQ(ParseDuration("90s"), std::chrono::seconds(90));
  EXPECT_EQ(ParseDuration("10m"), std::chrono::minutes(10));
  EXPECT_EQ(ParseDuration("250ms"), Duration(250));
  EXPECT_EQ(ParseDuration("7d"), std::chrono::hours(168));
  for (const char* text : {"", "5", "-5s", "5 m", "1h30m", "99999d", "4294967296s", "ms"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(Duration, IsWrittenInTheLargestUnitThatFits) {
  EXPECT_EQ(FormatDuration(std::chrono::minutes(10)), "10m");
  EXPECT_EQ(FormatDuration(std::chrono::seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(std::chrono::hours(168)), "7d");
  EXPECT_EQ(FormatDuration(Duration(1250)), "1250ms");
  EXPECT_EQ(FormatDuration(Duration(0)), "0s");
}

}  // namespace
}  // namespace lodekey
