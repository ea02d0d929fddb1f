#include "tests/support/swtpm_process.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace lodekey::test {
namespace {

constexpr size_t kLogTail = 2000;

// Between fork and exec: only what is async-signal-safe.
[[noreturn]] void Become(char* const* argv, const char* log, const std::vector<int>& kept) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
  for (int keep : kept) fcntl(keep, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvp(argv[0], argv);
  _exit(127);
}

}  // namespace

Result<ChildProcess> ChildProcess::Spawn(const std::vector<std::string>& argv,
                                         const std::string& log, const std::vector<int>& kept) {
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return Fail(Code::kUnavailable, "fork");
  if (pid == 0) Become(pointers.data(), log.c_str(), kept);
  return ChildProcess(pid, log);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), log_(std::move(other.log_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    log_ = std::move(other.log_);
  }
  return *this;
}

void ChildProcess::Kill() {
  const pid_t pid = std::exchange(pid_, -1);
  if (pid < 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

Result<void> ChildProcess::Wait() {
  int status = 0;
  if (waitpid(std::exchange(pid_, -1), &status, 0) < 0) return Fail(Code::kInternal, "waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  std::string log = ReadText(log_);
  if (log.size() > kLogTail) log.erase(0, log.size() - kLogTail);
  return Fail(Code::kInternal, fmt::format("ended with status {:#x}: {}", status, log));
}

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Result<void> WriteText(const std::string& path, std::string_view text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) return Fail(Code::kInternal, "write " + path);
  return {};
}

}  // namespace lodekey::test
