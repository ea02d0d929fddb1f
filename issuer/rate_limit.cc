#include "issuer/rate_limit.h"

#include <algorithm>

namespace lodekey::issuer {

RateLimit::RateLimit(uint32_t total_per_second, uint32_t source_per_second, uint32_t source_burst)
    : total_rate_{.per_second = static_cast<double>(total_per_second),
                  .burst = static_cast<double>(total_per_second)},
      source_rate_{.per_second = static_cast<double>(source_per_second),
                   .burst = static_cast<double>(source_burst)},
      total_{.tokens = total_rate_.burst, .filled = {}} {}

// A time before the last one fills nothing, and is where counting goes on from: a clock that was
// set back must not keep a bucket empty until it has caught up.
bool RateLimit::Take(Bucket& bucket, const Rate& rate, Duration now, uint32_t cost) const {
  const double seconds = std::max(0.0, static_cast<double>((now - bucket.filled).count()) / 1000.0);
  bucket.tokens = std::min(rate.burst, bucket.tokens + seconds * rate.per_second);
  bucket.filled = now;
  if (bucket.tokens < cost) return false;
  bucket.tokens -= cost;
  return true;
}

// A full bucket has nothing to remember. Once in the time it takes to fill one, not at each
// request: a flood from more sources than the table holds must not have it walked each time.
void RateLimit::ForgetQuietSources(Duration now) {
  const Duration quiet(static_cast<int64_t>(1000 * source_rate_.burst / source_rate_.per_second));
  const auto is_long_from_now = [&](Duration then) {
    return std::chrono::abs(now - then) >= quiet;
  };
  if (!is_long_from_now(forgotten_)) return;
  forgotten_ = now;
  std::erase_if(sources_, [&](const auto& entry) { return is_long_from_now(entry.second.filled); });
}

bool RateLimit::Allow(const std::string& source, Duration now, uint32_t cost) {
  const std::scoped_lock lock(mutex_);
  if (sources_.size() >= kMaxSources && !sources_.contains(source)) {
    ForgetQuietSources(now);
    if (sources_.size() >= kMaxSources) return Take(total_, total_rate_, now, cost);
  }
  Bucket& bucket = sources_.try_emplace(source, Bucket{.tokens = source_rate_.burst, .filled = now})
                       .first->second;
  return Take(bucket, source_rate_, now, cost) && Take(total_, total_rate_, now, cost);
}

}  // namespace lodekey::issuer
