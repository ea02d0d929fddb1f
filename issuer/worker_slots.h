// The places of an engine's workers, each lent to one caller at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"
#include "issuer/policy_engine.h"
#include "issuer/policy_process.h"
#include "issuer/policy_wire.h"

namespace lodekey::issuer {

// Thread-safe. Who came first is served first, among those who may have what is free.
class WorkerSlots {
 public:
  // A worker, or the place of one that ended.
  using Slot = std::optional<PolicyProcess>;

  // Before anything is taken.
  void Add(PolicyProcess worker);

  // kUnavailable ("policy-busy") when none is free until `deadline`. What was taken goes back with
  // the same share.
  Result<Slot> Take(WorkerShare share, SteadyTime deadline);
  void Return(Slot slot, WorkerShare share);

 private:
  // Whoever waits, in the order in which they came.
  using Line = std::list<WorkerShare>;
  bool IsNext(Line::const_iterator waiting) const;
  bool MayTake(WorkerShare share) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  Line line_;
  std::vector<Slot> idle_;
  size_t count_ = 0;
  size_t out_but_one_ = 0;  // of those who leave one
};

}  // namespace lodekey::issuer
