// The clocks of this host, and how far they are believed. Only edges read clocks; pure code is
// given the time. Thread-safe.
#pragma once

#include <algorithm>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace lodekey::platform {

// The wall clock: may be wrong, may jump.
Time Now();

// Since boot, time asleep included (CLOCK_BOOTTIME): for intervals and back-off.
Duration Uptime();

// The kernel's id of this boot: 36 characters, a random UUID.
Result<std::string> BootId();

// When this version was released. No honest clock shows an earlier time.
Time BuildTime();

// Hosts without a battery clock start in the past. What has provably been reached already (the
// release of this program, a time stored from an authenticated reply) bounds the wall clock from
// below (docs/architecture.md, Time).
class TimeFloor {
 public:
  explicit TimeFloor(Time stored = Time()) : floor_(std::max(stored, BuildTime())) {}

  Time floor() const { return floor_; }
  // The later of `wall` and the floor.
  Time Judge(Time wall) const { return std::max(wall, floor_); }

 private:
  Time floor_;
};

}  // namespace lodekey::platform
