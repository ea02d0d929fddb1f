#include "issuer/commit_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace lodekey::issuer {

CommitQueue::CommitQueue(RunBatch run) : run_(std::move(run)), thread_([this] { Work(); }) {}

CommitQueue::~CommitQueue() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

Result<void> CommitQueue::Accept(QueuedChange& change) {
  const std::lock_guard lock(mutex_);
  if (closing_) {
    return Fail(Code::kUnavailable, "the store is being closed", {.name = "store-closed"});
  }
  if (queue_.size() >= kCapacity) {
    return Fail(Code::kUnavailable, fmt::format("{} changes wait already", kCapacity),
                {.name = "store-busy", .advice = "Try again."});
  }
  queue_.push_back(std::move(change));
  return {};
}

void CommitQueue::Push(QueuedChange change) {
  Result<void> accepted = Accept(change);
  if (accepted) {
    arrived_.notify_one();
  } else {
    change.done(std::unexpected(std::move(accepted.error())));
  }
}

std::vector<QueuedChange> CommitQueue::TakeBatch() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return closing_ || !queue_.empty(); });
  const auto end = queue_.begin() + static_cast<ptrdiff_t>(std::min(queue_.size(), kMaxBatch));
  std::vector<QueuedChange> batch(std::move_iterator(queue_.begin()), std::move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return batch;
}

void CommitQueue::Work() {
  while (true) {
    std::vector<QueuedChange> batch = TakeBatch();
    if (batch.empty()) return;  // closing, and nothing is left
    run_(std::move(batch));
  }
}

}  // namespace lodekey::issuer
