// SHA-256 of the file that a process executes, and a cache of it for file systems whose word on
// changes may be taken.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "platform/clock.h"
#include "platform/file_id.h"
#include "platform/unique_fd.h"

namespace lodekey::agent {

inline constexpr uint64_t kMaxExecutable = uint64_t{1} << 30;  // bytes; larger ones get no digest

// Thread-safe. Digests are taken on the calling thread; of callers that ask for one file at once,
// one reads and the others wait.
class ExecutableDigests {
 public:
  explicit ExecutableDigests(size_t capacity = 1024, std::function<Time()> now = platform::Now)
      : capacity_(capacity), now_(std::move(now)) {}

  // Of a regular file open for reading. nullopt when none can be vouched for: on FUSE, where every
  // read may give other bytes, above kMaxExecutable, or while the file is being written.
  Result<std::optional<crypto::Sha256Digest>> Of(const platform::UniqueFd& file);

  // Bytes that were hashed so far: what the cache has saved shows in it.
  uint64_t hashed() const { return hashed_; }

 private:
  // Another value after every change to the content that the file system reports.
  struct Version {
    platform::FileId id;
    uint64_t size = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;
    auto Tie() const {
      return std::tie(id.mount, id.device, id.inode, id.handle, size, modified_ns, changed_ns);
    }
    bool operator<(const Version& other) const { return Tie() < other.Tie(); }
    bool operator==(const Version& other) const { return Tie() == other.Tie(); }
  };
  class Flight;
  struct Kept {
    crypto::Sha256Digest digest;
    std::list<Version>::iterator age;
  };

  static Result<Version> VersionOf(const platform::UniqueFd& file);
  Result<std::optional<crypto::Sha256Digest>> Hash(const platform::UniqueFd& file,
                                                   const Version& before);
  Result<std::optional<crypto::Sha256Digest>> OfCacheable(const platform::UniqueFd& file,
                                                          const Version& version);
  std::optional<crypto::Sha256Digest> Find(const Version& version);
  void Keep(const Version& version, const crypto::Sha256Digest& digest);

  const size_t capacity_;
  const std::function<Time()> now_;
  std::atomic<uint64_t> hashed_ = 0;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::map<Version, Kept> kept_;
  std::list<Version> ages_;      // the last used first
  std::set<Version> in_flight_;  // being hashed
};

}  // namespace lodekey::agent
