#include "issuer/rate_limit.h"

#include <algorithm>

namespace lodekey::issuer {

RateLimit::RateLimit(uint32_t total_per_second, uint32_t source_per_second)
    : total_rate_(total_per_second),
      source_rate_(source_per_second),
      total_{.tokens = total_rate_, .filled = {}} {}

// A time before the last one fills nothing, and is where counting goes on from: a clock that was
// set back must not keep a bucket empty until it has caught up.
bool RateLimit::Take(Bucket& bucket, double rate, Duration now) const {
  const double seconds = std::max(0.0, static_cast<double>((now - bucket.filled).count()) / 1000.0);
  bucket.tokens = std::min(rate, bucket.tokens + seconds * rate);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

// A full bucket has nothing to remember. Once a second, not at each request: a flood from more
// sources than the table holds must not have it walked each time.
void RateLimit::ForgetQuietSources(Duration now) {
  constexpr Duration kQuiet = std::chrono::seconds(1);
  const auto is_long_from_now = [&](Duration then) {
    return std::chrono::abs(now - then) >= kQuiet;
  };
  if (!is_long_from_now(forgotten_)) return;
  forgotten_ = now;
  std::erase_if(sources_, [&](const auto& entry) { return is_long_from_now(entry.second.filled); });
}

bool RateLimit::Allow(const std::string& source, Duration now) {
  const std::scoped_lock lock(mutex_);
  if (sources_.size() >= kMaxSources && !sources_.contains(source)) {
    ForgetQuietSources(now);
    if (sources_.size() >= kMaxSources) return Take(total_, total_rate_, now);
  }
  Bucket& bucket =
      sources_.try_emplace(source, Bucket{.tokens = source_rate_, .filled = now}).first->second;
  return Take(bucket, source_rate_, now) && Take(total_, total_rate_, now);
}

}  // namespace lodekey::issuer
