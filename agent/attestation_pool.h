// Looks at calling processes, on a few threads of its own: gRPC's must not wait for files.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "agent/attestor.h"
#include "base/fair_queue.h"
#include "base/result.h"

namespace lodekey::agent {

// Thread-safe. The users take turns, and no user has all threads: the large executables of one keep
// nobody else waiting for more than one of them.
class AttestationPool {
 public:
  static constexpr size_t kThreads = 2;
  // Of all users together; one user's are limited by CallerLimits.
  static constexpr size_t kMaxWaiting = 8192;

  using Attestors = std::vector<std::unique_ptr<Attestor>>;
  using Caller = std::shared_ptr<const CallingProcess>;

  explicit AttestationPool(Attestors attestors);
  // Ends what is under way; whoever waits is refused ("agent-stopping").
  ~AttestationPool();
  AttestationPool(const AttestationPool&) = delete;
  AttestationPool& operator=(const AttestationPool&) = delete;

  // Everything that the attestors say of the process. `done` is called once, on a thread of the
  // pool or at once. Errors, besides those of attestors: kDenied ("peer-gone", "peer-changed")
  // when the process is not, before or after, what it was when it connected; kUnavailable
  // ("agent-busy", "agent-stopping").
  void Attest(Caller caller, Wanted wanted, std::function<void(Result<Attested>)> done);

  // Whether the process is still what it was when it connected: to be asked before anything is
  // sent. `done` and errors as above, but that nobody is too many.
  void Confirm(Caller caller, std::function<void(Result<void>)> done);

 private:
  using Queue = FairQueue<uid_t>;

  void Push(uid_t user, Queue::Work work);
  void Serve();
  bool stopping() const;
  Result<Attested> AttestNow(const CallingProcess& caller, const Wanted& wanted);

  const Attestors attestors_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Queue queue_{kThreads - 1};
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lodekey::agent
