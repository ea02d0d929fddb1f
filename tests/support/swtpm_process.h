// Child processes of the stand-ins for a TPM: ended with their object, and with the test when it
// dies.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "base/result.h"

namespace lodekey::test {

class ChildProcess {
 public:
  ChildProcess() = default;
  // Runs argv[0] (looked up in PATH) with both outputs appended to `log` and the descriptors `kept`
  // open under their numbers. The kernel kills the child when the thread that called this ends.
  static Result<ChildProcess> Spawn(const std::vector<std::string>& argv, const std::string& log,
                                    const std::vector<int>& kept = {});
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { Kill(); }

  // SIGKILL, and waits for the end. Nothing where there is no child.
  void Kill();
  // Waits for the end; fails unless it is exit status 0, with the end of the log in the text.
  Result<void> Wait();

 private:
  ChildProcess(pid_t pid, std::string log) : pid_(pid), log_(std::move(log)) {}

  pid_t pid_ = -1;
  std::string log_;
};

// The whole file as text; empty when it cannot be read.
std::string ReadText(const std::string& path);
Result<void> WriteText(const std::string& path, std::string_view text);

}  // namespace lodekey::test
