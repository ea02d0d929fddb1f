// A program in a process of its own, and a socket to it.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// Where the child has its end of the socket.
inline constexpr int kChildSocket = 3;

// Ends with its object. Not thread-safe, but any thread may own it. Nobody else may wait for
// children of this process.
class ChildProcess {
 public:
  // Executes `program` with one argument and no environment, with /dev/null as standard streams, a
  // stream socket as descriptor 3, nothing else open, and all signals blocked: what a terminal or a
  // service manager sends to the group is its parent's affair. kNotFound "file-not-found", or
  // kUnavailable "out-of-resources".
  static Result<ChildProcess> Start(const std::string& program, const std::string& argument);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { End(); }

  int socket() const { return socket_.get(); }
  pid_t pid() const { return pid_; }

  // Whether it still holds its end of the socket.
  bool IsConnected() const;

  // Closes the socket, kills it if it has not ended yet, and returns the number of the signal that
  // ended it, 0 when it ended by itself.
  int End();

 private:
  ChildProcess(pid_t pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}
  pid_t pid_ = -1;
  UniqueFd socket_;
};

}  // namespace lodekey::platform
