// The real programs of this build, run as a person or a service manager would.
#pragma once

#include <chrono>
#include <csignal>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "base/result.h"

namespace lodekey::test {

// The directory with lodekeyd, lodekey-issuer and lodekey: LODEKEY_BIN.
std::string ProgramPath(const std::string& name);

struct Finished {
  int exit_code = -1;  // 128 + signal when one ended it
  std::string out;
  std::string err;
};

// Runs to the end, at most `seconds`; then it is killed and the exit code is 137.
Finished RunProgram(const std::vector<std::string>& argv, int seconds = 60);

// A daemon. Killed with its object.
class Daemon {
 public:
  Daemon(std::vector<std::string> argv, std::string log);
  ~Daemon() { Signal(SIGKILL); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  void Start();
  // Sends the signal; SIGKILL and SIGTERM also wait for the end and return its exit code (128 +
  // signal).
  int Signal(int signal);
  // Waits for it to end by itself.
  int Wait();
  std::string Log() const;
  // The most memory that it ever had resident (VmHWM), in KiB; 0 when it does not run.
  size_t PeakKib() const;
  pid_t pid() const { return pid_; }

 private:
  std::vector<std::string> argv_;
  std::string log_;
  pid_t pid_ = -1;
};

// Polls until `done` is true; false when `seconds` are over.
template <class Condition>
bool Eventually(Condition done, int seconds = 20) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  do {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace lodekey::test
