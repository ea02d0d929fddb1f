#include "agent/fd_store.h"

#include <algorithm>
#include <utility>

#include "agent/schedule.h"
#include "platform/log.h"
#include "platform/stored_fds.h"

namespace lodekey::agent {
namespace {

constexpr size_t kMaxState = size_t{16} << 20;

Result<SvidBook::Kept> Read(const WorkloadOwner& owner, int fd) {
  ASSIGN_OR_RETURN(Bytes content, platform::ReadSealedMemory(fd, kMaxState), "restore");
  const crypto::Secret encoded = crypto::Secret::Take(std::move(content));
  return DecodeWorkloads(owner, encoded.Reveal());
}

Result<SvidBook::Kept> Nobodys() {
  return Fail(Code::kConflict, "what was kept for the workloads is not given out again",
              {.name = "workload-state-other"});
}

}  // namespace

FdStore::FdStore(SvidBook& book, std::function<Duration()> uptime)
    : book_(book), uptime_(std::move(uptime)), usable_(platform::CanStoreFds()) {}

Result<size_t> FdStore::Restore(const std::optional<WorkloadOwner>& owner,
                                const std::vector<platform::UniqueFd>& stored) {
  const std::scoped_lock lock(mutex_);
  if (stored.empty()) return size_t{0};
  auto kept = owner ? Read(*owner, stored.back().get()) : Nobodys();
  if (!kept) {
    Remove();
    return std::unexpected(std::move(kept.error()));
  }
  const size_t restored = kept->svids.size();
  book_.Restore(*std::move(kept));
  owner_ = owner;
  return restored;
}

void FdStore::SetOwner(const WorkloadOwner& owner) {
  const std::scoped_lock lock(mutex_);
  if (owner_ == owner) return;
  owner_ = owner;
  version_ = 0;
}

Duration FdStore::Proceed() {
  const std::scoped_lock lock(mutex_);
  if (!usable_ || !owner_ || book_.version() == version_) return kLongestRest;
  const Duration uptime = uptime_();
  if (!changed_) changed_ = uptime;
  const Duration left = *changed_ + kDebounce - uptime;
  if (left > Duration(0)) return left;
  Keep();
  return kLongestRest;
}

void FdStore::Flush() {
  const std::scoped_lock lock(mutex_);
  if (usable_ && owner_ && book_.version() != version_) Keep();
}

void FdStore::Empty() {
  // The lock is held from what the book gives to what the manager has: an earlier Keep is undone.
  const std::scoped_lock lock(mutex_);
  Remove();
}

void FdStore::Keep() {
  changed_.reset();
  version_ = book_.version();
  const auto kept = book_.Keep();
  if (!kept) return Remove();
  const auto encoded = EncodeWorkloads(*owner_, *kept);
  if (encoded && memory_ && encoded->Matches(memory_->content())) return;
  Remove();
  auto memory = encoded ? platform::SealedMemory::Create(kStoredWorkloads, encoded->Reveal())
                        : Result<platform::SealedMemory>(std::unexpected(encoded.error()));
  auto stored = memory ? platform::StoreFd(kStoredWorkloads, memory->fd())
                       : Result<void>(std::unexpected(memory.error()));
  if (stored) {
    memory_ = *std::move(memory);
  } else {
    platform::LogEvent(platform::LogLevel::kWarning,
                       "SVIDs will not outlive a restart of the agent",
                       {{"reason", stored.error().text}});
  }
}

void FdStore::Remove() {
  if (!usable_) return;
  platform::RemoveStoredFds(kStoredWorkloads);
  if (memory_) memory_->Wipe();
  memory_.reset();
}

}  // namespace lodekey::agent
