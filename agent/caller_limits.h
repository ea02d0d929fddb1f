// How much one user may hold of the Workload API at once, so that nobody's storm keeps others out.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <sys/types.h>
#include <utility>

#include "base/result.h"

namespace lodekey::agent {

enum class Held {
  kConnection,
  kStream,   // a call
  kPending,  // a call whose request is not here, or is being attested
  kRefusal   // a call that was refused, until its caller has read so
};

struct CallerLimit {
  size_t connections = 1024;
  size_t streams = 1024;
  size_t pending = 256;
  size_t refusals = 1024;
};

// Thread-safe. Permits may outlive it.
class CallerLimits {
  struct Counts;

 public:
  // Given back on destruction. Move-only.
  class Permit {
   public:
    Permit(Permit&&) noexcept = default;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Release(); }
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;

   private:
    friend class CallerLimits;
    Permit(std::shared_ptr<Counts> counts, uid_t uid, Held what)
        : counts_(std::move(counts)), uid_(uid), what_(what) {}
    void Release();

    std::shared_ptr<Counts> counts_;
    uid_t uid_;
    Held what_;
  };

  explicit CallerLimits(CallerLimit limit);

  // kUnavailable ("too-many-connections", "too-many-streams", "too-many-requests",
  // "too-many-refusals") when the user holds as many already.
  Result<Permit> Take(uid_t uid, Held what);

  // Users that hold anything at all.
  size_t users() const;

 private:
  std::shared_ptr<Counts> counts_;
};

}  // namespace lodekey::agent
