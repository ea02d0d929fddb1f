#include "agent/attestation_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/caller_errors.h"
#include "base/guarded.h"

namespace lodekey::agent {
namespace {

Error Busy() {
  return {.code = Code::kUnavailable,
          .text = "too many callers wait to be looked at",
          .name = "agent-busy",
          .advice = "Try again in a moment; 'ss -xp' shows who is connected."};
}

// The caller is judged here, so what the kernel says of it is a refusal and no doubt.
Error Refusal(Error error) {
  if (error.code == Code::kUntrusted) error.code = Code::kDenied;
  return error;
}

Result<void> CheckUnchanged(const CallingProcess& caller) {
  ASSIGN_OR_RETURN(const platform::ProcessSnapshot now, platform::TakeSnapshot(*caller.peer),
                   "look at the caller");
  if (now == caller.snapshot) return {};
  return Fail(Code::kUntrusted,
              now.executable != caller.snapshot.executable || now.stat != caller.snapshot.stat
                  ? "the caller executed a program since it connected"
                  : "the caller was moved to another cgroup since it connected",
              {.name = "peer-changed", .advice = "Connect again: the call is then judged anew."});
}

}  // namespace

AttestationPool::AttestationPool(Attestors attestors) : attestors_(std::move(attestors)) {
  for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Serve(); });
}

AttestationPool::~AttestationPool() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void AttestationPool::Serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || queue_.ready(); });
    if (!queue_.ready()) return;  // stopping, and nobody waits
    auto [user, work] = queue_.Take();
    lock.unlock();
    // Who it was for is left without an answer, and all others are not.
    static_cast<void>(Guarded("work on a caller", [&]() -> Result<void> {
      work();
      return {};
    }));
    work = nullptr;  // what it holds goes before the lock is taken again
    lock.lock();
    queue_.Done(user);
    if (queue_.ready()) wake_.notify_one();
  }
}

bool AttestationPool::stopping() const {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

void AttestationPool::Push(uid_t user, Queue::Work work) {
  const std::scoped_lock lock(mutex_);
  queue_.Push(user, std::move(work));
  wake_.notify_one();
}

void AttestationPool::Attest(Caller caller, Wanted wanted,
                             std::function<void(Result<Attested>)> done) {
  {
    const std::scoped_lock lock(mutex_);
    if (!stopping_ && queue_.waiting() < kMaxWaiting) {
      const uid_t user = caller->peer->uid;
      queue_.Push(user, [this, caller = std::move(caller), wanted, done = std::move(done)] {
        auto attested = Guarded("an attestation", [&] { return AttestNow(*caller, wanted); });
        if (!attested) attested = std::unexpected(Refusal(std::move(attested.error())));
        done(std::move(attested));
      });
      wake_.notify_one();
      return;
    }
  }
  done(std::unexpected(stopping() ? Stopping() : Busy()));
}

void AttestationPool::Confirm(Caller caller, std::function<void(Result<void>)> done) {
  if (stopping()) return done(std::unexpected(Stopping()));
  const uid_t user = caller->peer->uid;
  Push(user, [this, caller = std::move(caller), done = std::move(done)] {
    auto unchanged = stopping()
                         ? Result<void>(std::unexpected(Stopping()))
                         : Guarded("a look at a caller", [&] { return CheckUnchanged(*caller); });
    if (!unchanged) unchanged = std::unexpected(Refusal(std::move(unchanged.error())));
    done(std::move(unchanged));
  });
}

Result<Attested> AttestationPool::AttestNow(const CallingProcess& caller, const Wanted& wanted) {
  if (stopping()) return std::unexpected(Stopping());
  RETURN_IF_ERROR(CheckUnchanged(caller), "attest the caller");
  Attested all;
  for (const auto& attestor : attestors_) {
    ASSIGN_OR_RETURN(Attested one, attestor->Attest(caller, wanted), "attest the caller");
    std::ranges::move(one.selectors, std::back_inserter(all.selectors));
    std::ranges::move(one.remarks, std::back_inserter(all.remarks));
  }
  RETURN_IF_ERROR(CheckUnchanged(caller), "attest the caller");
  return all;
}

}  // namespace lodekey::agent
