// Token buckets for requests of strangers: one for all, one for each source. Pure: the time is
// given.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/time.h"

namespace lodekey::issuer {

// Thread-safe; memory is bounded whatever the number of sources.
class RateLimit {
 public:
  static constexpr size_t kMaxSources = 10000;

  // Each bucket holds one second's worth.
  RateLimit(uint32_t total_per_second, uint32_t source_per_second);

  // Whether a request of `source` at `now` may pass. When the table of sources is full, new ones
  // share the total.
  bool Allow(const std::string& source, Duration now);

 private:
  struct Bucket {
    double tokens = 0;
    Duration filled = {};
  };
  bool Take(Bucket& bucket, double rate, Duration now) const;

  double total_rate_;
  double source_rate_;
  std::mutex mutex_;
  Bucket total_;
  std::unordered_map<std::string, Bucket> sources_;
};

}  // namespace lodekey::issuer
