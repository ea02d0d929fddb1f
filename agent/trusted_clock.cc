#include "agent/trusted_clock.h"

#include <algorithm>
#include <utility>

namespace lodekey::agent {

TrustedClock::TrustedClock(Time floor, std::optional<Stated> stated, Source source)
    : source_(std::move(source)),
      began_(source_.uptime()),
      first_floor_(platform::TimeFloor(floor).floor()),
      floor_(first_floor_),
      stated_(stated) {}

Time TrustedClock::Wall() const { return std::max(source_.wall(), floor_); }

Time TrustedClock::NowLocked() const {
  return stated_ ? stated_->time + (source_.uptime() - stated_->uptime) : Wall();
}

Time TrustedClock::Now() const {
  const std::scoped_lock lock(mutex_);
  return NowLocked();
}

Time TrustedClock::ServerTime() const {
  const std::scoped_lock lock(mutex_);
  return std::min(NowLocked(), Wall());
}

void TrustedClock::Note(Time issuer_time) {
  const std::scoped_lock lock(mutex_);
  const Time own = std::max(source_.wall(), first_floor_ + (source_.uptime() - began_));
  floor_ = std::max(floor_, std::min(issuer_time, own + kFloorLead));
  stated_ = Stated{.time = issuer_time, .uptime = source_.uptime()};
}

Time TrustedClock::floor() const {
  const std::scoped_lock lock(mutex_);
  return floor_;
}

std::optional<TrustedClock::Stated> TrustedClock::stated() const {
  const std::scoped_lock lock(mutex_);
  return stated_;
}

}  // namespace lodekey::agent
