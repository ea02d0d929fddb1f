#include "cli/socket_probe.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/format.h>

#include "base/handle.h"
#include "platform/clock.h"
#include "platform/errno_error.h"
#include "platform/unique_fd.h"

namespace lodekey::cli {
namespace {

using platform::UniqueFd;

// 0 or an errno. The descriptor is non-blocking.
int ConnectWithin(int fd, const sockaddr* address, socklen_t size, Duration limit) {
  if (::connect(fd, address, size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting = {.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(limit.count(), 0)));
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int problem = 0;
  socklen_t length = sizeof problem;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) != 0) return errno;
  return problem;
}

}  // namespace

Result<void> ProbeUnixSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is longer than a socket's path may be", path));
  }
  path.copy(address.sun_path, path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return platform::FailErrno(errno, "cannot make a socket");
  const int problem = ConnectWithin(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                    sizeof address, Duration(0));
  if (problem == 0) return {};
  if (problem == ECONNREFUSED) {
    return Fail(Code::kUnavailable, fmt::format("nothing listens at '{}'", path));
  }
  return platform::FailErrno(problem, fmt::format("cannot connect to '{}'", path));
}

Result<void> ProbeTcp(const platform::HostPort& address, Duration limit) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  const int looked_up =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &raw);
  if (looked_up != 0) {
    return Fail(Code::kUnavailable, fmt::format("the name '{}' does not resolve: {}", address.host,
                                                ::gai_strerror(looked_up)));
  }
  const CHandle<addrinfo, ::freeaddrinfo> found(raw);
  const Duration end = platform::Uptime() + limit;
  int problem = ETIMEDOUT;
  for (const addrinfo* candidate = raw; candidate != nullptr; candidate = candidate->ai_next) {
    const UniqueFd fd(
        ::socket(candidate->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) continue;
    problem = ConnectWithin(fd.get(), candidate->ai_addr, candidate->ai_addrlen,
                            end - platform::Uptime());
    if (problem == 0) return {};
  }
  return Fail(Code::kUnavailable,
              fmt::format("cannot connect to {}: {}", platform::FormatHostPort(address),
                          std::strerror(problem)));
}

}  // namespace lodekey::cli
