#include "platform/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

// posix_spawn's two lists, which fail only for want of memory.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  // The first error of those calls, or 0.
  int Fill(int socket) {
    int error = 0;
    const auto check = [&error](int result) { error = error == 0 ? result : error; };
    // The socket goes first: its number may be one of those that follow.
    check(::posix_spawn_file_actions_adddup2(&actions_, socket, kChildSocket));
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      check(::posix_spawn_file_actions_addopen(&actions_, stream, "/dev/null", O_RDWR, 0));
    check(::posix_spawn_file_actions_addclosefrom_np(&actions_, kChildSocket + 1));
    sigset_t all;
    sigfillset(&all);
    check(::posix_spawnattr_setsigmask(&attributes_, &all));
    check(::posix_spawnattr_setsigdefault(&attributes_, &all));
    check(::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    return error;
  }

  // posix_spawn(3): the error, or 0.
  int Spawn(const std::string& program, std::string argument, pid_t& pid) {
    std::string name = program;
    const std::array<char*, 3> argv{name.data(), argument.data(), nullptr};
    const std::array<char*, 1> environment{nullptr};
    return ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv.data(),
                         environment.data());
  }

 private:
  posix_spawn_file_actions_t actions_ = {};
  posix_spawnattr_t attributes_ = {};
};

}  // namespace

Result<ChildProcess> ChildProcess::Start(const std::string& program, const std::string& argument) {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return FailErrno(errno, "cannot make a socket");
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  SpawnPlan plan;
  if (const int error = plan.Fill(theirs.get()); error != 0)
    return FailErrno(error, "cannot prepare a process");
  pid_t pid = -1;
  if (const int error = plan.Spawn(program, argument, pid); error != 0)
    return FailErrno(error, "cannot execute " + program);
  return ChildProcess(pid, std::move(ours));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), socket_(std::move(other.socket_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  End();
  pid_ = std::exchange(other.pid_, -1);
  socket_ = std::move(other.socket_);
  return *this;
}

bool ChildProcess::IsConnected() const {
  pollfd polled{.fd = socket_.get(), .events = 0, .revents = 0};
  return socket_.valid() && ::poll(&polled, 1, 0) == 0;
}

int ChildProcess::End() {
  socket_.reset();
  const pid_t pid = std::exchange(pid_, -1);
  if (pid < 0) return 0;
  // The number is the child's until it was waited for, whether it lives or not; and a child that
  // has ended keeps the signal that ended it.
  ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace lodekey::platform
