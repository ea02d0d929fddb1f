// Token buckets for requests: one for all, one for each source, which may be an address or a node.
// Pure: the time is given.
#pragma once

#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/time.h"

namespace lodekey::issuer {

// Thread-safe; memory is bounded whatever the number of sources.
class RateLimit {
 public:
  static constexpr size_t kMaxSources = 10000;
  // A total for limits by source alone: what all share, strangers can use up.
  static constexpr uint32_t kNoTotal = std::numeric_limits<uint32_t>::max();

  // Each bucket holds one second's worth.
  RateLimit(uint32_t total_per_second, uint32_t source_per_second)
      : RateLimit(total_per_second, source_per_second, source_per_second) {}
  // That of a source holds `source_burst`.
  RateLimit(uint32_t total_per_second, uint32_t source_per_second, uint32_t source_burst);

  // Whether a request of `source` at `now`, which counts as `cost`, may pass. When the table of
  // sources is full, new ones share the total; without a total they pass.
  bool Allow(const std::string& source, Duration now, uint32_t cost = 1);

 private:
  struct Bucket {
    double tokens = 0;
    Duration filled = {};
  };
  struct Rate {
    double per_second;
    double burst;
  };
  bool Take(Bucket& bucket, const Rate& rate, Duration now, uint32_t cost) const;
  void ForgetQuietSources(Duration now);

  Rate total_rate_;
  Rate source_rate_;
  std::mutex mutex_;
  Bucket total_;
  std::unordered_map<std::string, Bucket> sources_;
  Duration forgotten_ = {};  // when quiet sources were last
};

}  // namespace lodekey::issuer
