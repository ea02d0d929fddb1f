#include "issuer/worker_slots.h"

#include <algorithm>
#include <utility>

namespace lodekey::issuer {

void WorkerSlots::Add(PolicyProcess worker) {
  const std::scoped_lock lock(mutex_);
  idle_.emplace_back(std::move(worker));
  ++count_;
}

Result<WorkerSlots::Slot> WorkerSlots::Take(WorkerShare share, SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  const auto waiting = line_.insert(line_.end(), share);
  const bool free = changed_.wait_until(lock, deadline, [&] { return IsNext(waiting); });
  line_.erase(waiting);
  // Whoever is next now may have been behind this one.
  changed_.notify_all();
  if (!free) {
    return Fail(Code::kUnavailable, "all policy workers are busy",
                {.name = std::string(kPolicyBusy),
                 .advice = "It is tried again by itself. If it lasts, the policy is too slow for "
                           "what is asked of this issuer."});
  }
  if (share == WorkerShare::kAllButOne) ++out_but_one_;
  Slot slot = std::move(idle_.back());
  idle_.pop_back();
  return slot;
}

void WorkerSlots::Return(Slot slot, WorkerShare share) {
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(slot));
  if (share == WorkerShare::kAllButOne) --out_but_one_;
  changed_.notify_all();
}

bool WorkerSlots::IsNext(Line::const_iterator waiting) const {
  return MayTake(*waiting) && std::none_of(line_.begin(), waiting, [this](WorkerShare earlier) {
           return MayTake(earlier);
         });
}

// A single worker is everybody's.
bool WorkerSlots::MayTake(WorkerShare share) const {
  if (idle_.empty()) return false;
  return share == WorkerShare::kAll || count_ == 1 || out_but_one_ + 1 < count_;
}

}  // namespace lodekey::issuer
