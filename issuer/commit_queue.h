// Changes that wait for the writer, and the writer's thread. What a batch does is the owner's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "issuer/store.h"

namespace lodekey::issuer {

struct QueuedChange {
  Change change;
  Done done;
};

// Thread-safe.
class CommitQueue {
 public:
  static constexpr size_t kCapacity = 4096;
  static constexpr size_t kMaxBatch = 512;

  // Called on the queue's thread with everything that waits, in order, at most kMaxBatch: what
  // arrives while a batch is being made durable shares the next one.
  using RunBatch = std::function<void(std::vector<QueuedChange>)>;

  explicit CommitQueue(RunBatch run);
  // Runs what is queued, then ends the thread.
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // When it cannot be queued, `done` is called at once, on the caller's thread: kUnavailable
  // ("store-busy" when the queue is full, "store-closed" when it is being destroyed).
  void Push(QueuedChange change);

 private:
  // Moves from `change` only when it is taken.
  Result<void> Accept(QueuedChange& change);
  void Work();
  std::vector<QueuedChange> TakeBatch();

  const RunBatch run_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<QueuedChange> queue_;  // guarded by mutex_
  bool closing_ = false;            // guarded by mutex_
  std::thread thread_;              // last: it uses the others
};

}  // namespace lodekey::issuer
