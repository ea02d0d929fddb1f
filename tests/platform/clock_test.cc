#include "platform/clock.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

using std::chrono::hours;

TEST(TimeFloor, RaisesAWallClockThatIsBehind) {
  const Time stored = BuildTime() + hours(100);
  const TimeFloor floor(stored);
  EXPECT_EQ(floor.Judge(Time()), stored);
  EXPECT_EQ(floor.Judge(stored - Duration(1)), stored);
}

TEST(TimeFloor, BelievesAWallClockThatIsAhead) {
  const Time stored = BuildTime() + hours(100);
  EXPECT_EQ(TimeFloor(stored).Judge(stored + hours(1)), stored + hours(1));
}

TEST(TimeFloor, NeverFallsBelowTheRelease) {
  EXPECT_EQ(TimeFloor().floor(), BuildTime());
  EXPECT_EQ(TimeFloor(BuildTime() - hours(1)).Judge(Time()), BuildTime());
}

TEST(Clock, OfTheTestMachineIsPastTheRelease) { EXPECT_GT(Now(), BuildTime()); }

TEST(Clock, UptimeNeverGoesBack) {
  const Duration before = Uptime();
  EXPECT_GT(before, Duration(0));
  EXPECT_GE(Uptime(), before);
}

TEST(BootId, IsAUuidAndStaysForTheBoot) {
  const auto id = BootId();
  ASSERT_TRUE(id);
  EXPECT_EQ(id->size(), 36u);
  EXPECT_EQ(id->find_first_not_of("0123456789abcdef-"), std::string::npos);
  EXPECT_EQ(BootId(), *id);
}

}  // namespace
}  // namespace lodekey::platform
