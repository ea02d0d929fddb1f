// The time by which the agent judges certificates, on hosts whose own clock may be wrong, or
// missing, or that were told a wrong time once.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "base/time.h"
#include "platform/clock.h"

namespace lodekey::agent {

// Thread-safe.
class TrustedClock {
 public:
  // What an authenticated issuer stated, and when in this boot.
  struct Stated {
    Time time;
    Duration uptime;
  };
  struct Source {
    std::function<Time()> wall = platform::Now;
    std::function<Duration()> uptime = platform::Uptime;
  };

  // `floor` is what an earlier run stored. How far a reply may lift the floor above this host's own
  // clock, or where that is behind, above the floor it began with and the time since.
  static constexpr Duration kFloorLead = std::chrono::hours(24);

  TrustedClock(Time floor, std::optional<Stated> stated) : TrustedClock(floor, stated, Source()) {}
  TrustedClock(Time floor, std::optional<Stated> stated, Source source);

  // The issuer's clock once it has answered in this boot, and the time since; before that the wall
  // clock or the floor, whichever is later.
  Time Now() const;

  // For the issuer's own certificate: the earlier of that and of the wall clock over the floor. An
  // issuer whose clock ran ahead for a while must not strand the hosts that it told.
  Time ServerTime() const;

  void Note(Time issuer_time);

  // To be stored.
  Time floor() const;
  std::optional<Stated> stated() const;

 private:
  Time Wall() const;
  Time NowLocked() const;

  const Source source_;
  const Duration began_;  // uptime
  const Time first_floor_;
  mutable std::mutex mutex_;
  Time floor_;
  std::optional<Stated> stated_;
};

}  // namespace lodekey::agent
