// Keeps what the book of SVIDs holds over a restart of the agent within the boot: in sealed memory
// that the service manager has open meanwhile. Without a service manager nothing is kept.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "agent/svid_book.h"
#include "agent/workload_state.h"
#include "base/result.h"
#include "base/time.h"
#include "platform/sealed_memory.h"
#include "platform/unique_fd.h"

namespace lodekey::agent {

inline constexpr const char* kStoredWorkloads = "lodekey-workloads";

// Thread-safe.
class FdStore {
 public:
  // A change waits for others this long.
  static constexpr Duration kDebounce = std::chrono::milliseconds(200);

  FdStore(SvidBook& book, std::function<Duration()> uptime);

  // Back into the book, which is fresh, what `stored` has of the same owner; without one, nothing.
  // Returns how many SVIDs that were. Errors as of DecodeWorkloads and ReadSealedMemory: then the
  // store is emptied.
  Result<size_t> Restore(const std::optional<WorkloadOwner>& owner,
                         const std::vector<platform::UniqueFd>& stored);

  // Whose the book is; before that nothing is kept.
  void SetOwner(const WorkloadOwner& owner);

  // Keeps what changed, if it has settled; returns how long nothing needs to be done.
  Duration Proceed();
  // At once, before the process ends.
  void Flush();
  // Nothing is to be kept any more of what was until now: call after the book was emptied.
  void Empty();

 private:
  void Keep();
  void Remove();

  SvidBook& book_;
  const std::function<Duration()> uptime_;
  const bool usable_;
  std::mutex mutex_;
  std::optional<WorkloadOwner> owner_;
  std::optional<platform::SealedMemory> memory_;  // what the manager has
  uint64_t version_ = 0;                          // of the book, as kept
  std::optional<Duration> changed_ = {};          // uptime at which a change was seen
};

}  // namespace lodekey::agent
