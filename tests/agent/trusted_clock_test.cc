#include "agent/trusted_clock.h"

#include <gtest/gtest.h>

namespace lodekey::agent {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using Stated = TrustedClock::Stated;

const Time kFloor = platform::BuildTime() + hours(24 * 30);

// A host whose clock and uptime the test sets.
class TrustedClockTest : public testing::Test {
 protected:
  TrustedClock Clock(Time floor = kFloor, std::optional<Stated> stated = {}) {
    return {
        floor, stated, {.wall = [this] { return wall_; }, .uptime = [this] { return uptime_; }}};
  }
  void Pass(Duration duration) {
    wall_ += duration;
    uptime_ += duration;
  }

  Time wall_ = kFloor + hours(24 * 10);
  Duration uptime_ = hours(1);
};

TEST_F(TrustedClockTest, IsTheWallClockOrTheFloorUntilTheIssuerHasSpoken) {
  EXPECT_EQ(Clock().Now(), wall_);
  wall_ = Time();
  EXPECT_EQ(Clock().Now(), kFloor);
  EXPECT_EQ(Clock(Time()).Now(), platform::BuildTime());
}

TEST_F(TrustedClockTest, CountsFromWhatTheIssuerStatedWhateverTheWallClockSays) {
  TrustedClock clock = Clock();
  const Time issuer = wall_ - hours(1);
  clock.Note(issuer);
  Pass(minutes(10));
  wall_ += hours(24 * 365);
  EXPECT_EQ(clock.Now(), issuer + minutes(10));
  EXPECT_EQ(Clock(clock.floor(), clock.stated()).Now(), issuer + minutes(10)) << "a restart";
}

TEST_F(TrustedClockTest, DoesNotLetTheFloorFall) {
  TrustedClock clock = Clock();
  clock.Note(kFloor - hours(5));
  EXPECT_EQ(clock.floor(), kFloor);
}

TEST_F(TrustedClockTest, JudgesTheServerByTheEarlierOfBothClocks) {
  TrustedClock clock = Clock();
  clock.Note(wall_ + hours(24 * 30));
  EXPECT_EQ(clock.ServerTime(), clock.floor()) << "no more than the lead above this host's clock";
  EXPECT_EQ(clock.floor(), wall_ + TrustedClock::kFloorLead);
  clock.Note(wall_ - hours(1));
  EXPECT_EQ(clock.ServerTime(), wall_ - hours(1)) << "a host that is ahead";
}

// The floor follows a host without a clock, yet one wrong reply moves it by a day at most.
TEST_F(TrustedClockTest, LiftsTheFloorByWhatTheHostCanKnow) {
  wall_ = Time();
  TrustedClock clock = Clock();
  for (int reply = 0; reply < 100; ++reply) clock.Note(kFloor + hours(24 * 300));
  EXPECT_EQ(clock.floor(), kFloor + TrustedClock::kFloorLead);
  Pass(hours(48));
  clock.Note(kFloor + hours(24 * 300));
  EXPECT_EQ(clock.floor(), kFloor + hours(48) + TrustedClock::kFloorLead);
  clock.Note(kFloor + hours(24 * 300));
  EXPECT_EQ(clock.ServerTime(), clock.floor());
}

}  // namespace
}  // namespace lodekey::agent
