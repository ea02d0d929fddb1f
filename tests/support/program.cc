#include "tests/support/program.h"

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/swtpm_process.h"
#include "tests/support/unix_socket.h"

namespace lodekey::test {
namespace {

constexpr int kExecFailed = 127;

std::vector<char*> Pointers(std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (std::string& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return pointers;
}

int ExitCodeOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Forks and becomes argv with the two descriptors as its outputs.
pid_t Spawn(std::vector<std::string> argv, int out, int err) {
  std::vector<char*> pointers = Pointers(argv);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExecFailed);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execv(pointers.front(), pointers.data());
  _exit(kExecFailed);
}

struct Pipe {
  Fd read;
  Fd write;
};

Pipe MakePipe() {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  return {.read = Fd(ends[0]), .write = Fd(ends[1])};
}

// Appends what is there; false at the end.
bool Drain(int fd, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t size = read(fd, buffer.data(), buffer.size());
  if (size > 0) text.append(buffer.data(), static_cast<size_t>(size));
  return size > 0;
}

}  // namespace

std::string ProgramPath(const std::string& name) {
  const char* directory = std::getenv("LODEKEY_BIN");
  return (directory == nullptr ? std::string(".") : std::string(directory)) + "/" + name;
}

Finished RunProgram(const std::vector<std::string>& argv, int seconds) {
  Pipe out = MakePipe();
  Pipe err = MakePipe();
  Finished finished;
  const pid_t pid = Spawn(argv, out.write.get(), err.write.get());
  out.write = Fd();
  err.write = Fd();
  std::array<pollfd, 2> polled{{{.fd = out.read.get(), .events = POLLIN, .revents = 0},
                                {.fd = err.read.get(), .events = POLLIN, .revents = 0}}};
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          end - std::chrono::steady_clock::now())
                          .count();
    if (left <= 0 || poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) {
      kill(pid, SIGKILL);
      break;
    }
    if (polled[0].revents != 0 && !Drain(polled[0].fd, finished.out)) polled[0].fd = -1;
    if (polled[1].revents != 0 && !Drain(polled[1].fd, finished.err)) polled[1].fd = -1;
  }
  int status = 0;
  waitpid(pid, &status, 0);
  finished.exit_code = ExitCodeOf(status);
  return finished;
}

Daemon::Daemon(std::vector<std::string> argv, std::string log)
    : argv_(std::move(argv)), log_(std::move(log)) {}

void Daemon::Start() {
  const Fd log(open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  pid_ = Spawn(argv_, log.get(), log.get());
}

int Daemon::Signal(int signal) {
  if (pid_ < 0) return -1;
  kill(pid_, signal);
  return signal == SIGKILL || signal == SIGTERM ? Wait() : 0;
}

int Daemon::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return ExitCodeOf(status);
}

size_t Daemon::PeakKib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    size_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

std::string Daemon::Log() const { return ReadText(log_); }

}  // namespace lodekey::test
