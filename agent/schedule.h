// When to try next. Pure: randomness and time are given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/time.h"

namespace lodekey::agent {

// When to try again, and the clock and the chance to go by.
struct Retries {
  Duration first;
  Duration max;
  std::function<Duration()> uptime;
  std::function<uint32_t()> random;  // uniform over 32 bits
};

// Where something else wakes whoever rests, the longest rest all the same.
inline constexpr Duration kLongestRest = std::chrono::minutes(1);

// Doubles from first to max, each wait drawn from its upper half, so that a fleet that lost its
// issuer does not come back as one.
class Backoff {
 public:
  Backoff(Duration first, Duration max) : first_(first), max_(max), next_(first) {}

  // `random` is uniform over 32 bits.
  Duration Next(uint32_t random) {
    const Duration wait = next_ / 2 + Duration((next_ / 2).count() * static_cast<int64_t>(random) /
                                               INT64_C(0x100000000));
    next_ = std::min(max_, next_ * 2);
    return wait;
  }
  void Reset() { next_ = first_; }

 private:
  Duration first_;
  Duration max_;
  Duration next_;
};

// The interval less up to a tenth of it.
inline Duration Jittered(Duration interval, uint32_t random) {
  return interval -
         Duration((interval / 10).count() * static_cast<int64_t>(random) / INT64_C(0x100000000));
}

}  // namespace lodekey::agent
