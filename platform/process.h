// This process: hardening, signals, and the conversation with the service manager.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// No core dumps and no ptrace by the same user (not dumpable, RLIMIT_CORE 0), umask 077, SIGPIPE
// ignored. Call first in main.
Result<void> HardenProcess();

// Raises the soft limit on open files to the hard one: a server must not run out of descriptors
// before it runs out of what it limits itself.
Result<void> RaiseFileLimit();

// One heap for all threads, instead of one for each of the first dozens: for a program that is idle
// nearly always and whose threads never wait for each other's allocations. Call before any starts.
void UseOneHeap();

// Gives the heap's free pages back to the kernel, after work that needs much more than what
// follows.
void ReleaseFreeMemory();

// SIGTERM, SIGINT and SIGHUP as events. Create before any thread starts: threads inherit the mask.
// The signals stay blocked after destruction.
class SignalWaiter {
 public:
  static Result<SignalWaiter> Create();

  // The next signal, or nullopt when `timeout` has passed; without a timeout it waits for ever.
  std::optional<int> Wait(std::optional<Duration> timeout = {});

  // Readable when a signal is pending.
  int fd() const { return fd_.get(); }

 private:
  explicit SignalWaiter(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// sd_notify(3); without NOTIFY_SOCKET they do nothing. `status` is one line for `systemctl status`;
// control characters are escaped.
void NotifyReady(std::string_view status);
void NotifyStatus(std::string_view status);
void NotifyStopping();
// At the start of a reload; end it with NotifyReady.
void NotifyReloading();

}  // namespace lodekey::platform
