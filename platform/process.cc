#include "platform/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <limits>
#include <malloc.h>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "platform/errno_error.h"
#include "platform/escape.h"

namespace lodekey::platform {
namespace {

using Clock = std::chrono::steady_clock;

// What poll(2) takes: milliseconds, negative for ever.
int PollTimeout(std::optional<Clock::time_point> deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<Duration>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, std::numeric_limits<int>::max()));
}

void Notify(const std::string& state) {
  // Nobody to tell, or a manager that is gone: neither is ours to handle.
  (void)sd_notify(0, state.c_str());
}

}  // namespace

Result<void> HardenProcess() {
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return FailErrno(errno, "cannot forbid core dumps");
  const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return FailErrno(errno, "cannot forbid core dumps");
  ::umask(077);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  if (::sigaction(SIGPIPE, &ignore, nullptr) != 0) return FailErrno(errno, "cannot ignore SIGPIPE");
  return {};
}

Result<void> RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return FailErrno(errno, "read the limit on open files");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return FailErrno(errno, "raise the limit on open files");
  return {};
}

void UseOneHeap() { (void)::mallopt(M_ARENA_MAX, 1); }

void ReleaseFreeMemory() { (void)::malloc_trim(0); }

Result<SignalWaiter> SignalWaiter::Create() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &signals, nullptr); error != 0) {
    return FailErrno(error, "cannot block signals");
  }
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return FailErrno(errno, "cannot watch signals");
  return SignalWaiter(std::move(fd));
}

std::optional<int> SignalWaiter::Wait(std::optional<Duration> timeout) {
  std::optional<Clock::time_point> deadline;
  if (timeout) deadline = Clock::now() + *timeout;
  while (true) {
    signalfd_siginfo info = {};
    if (::read(fd_.get(), &info, sizeof(info)) == sizeof(info)) {
      return static_cast<int>(info.ssi_signo);
    }
    pollfd ready = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, PollTimeout(deadline)) == 0) return {};
  }
}

void NotifyReady(std::string_view status) {
  Notify(fmt::format("READY=1\nSTATUS={}", EscapeControl(status)));
}

void NotifyStatus(std::string_view status) {
  Notify(fmt::format("STATUS={}", EscapeControl(status)));
}

void NotifyStopping() { Notify("STOPPING=1"); }

void NotifyReloading() {
  // Type=notify-reload pairs the reload with its signal by this time stamp.
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  Notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1000000 + now.tv_nsec / 1000));
}

}  // namespace lodekey::platform
