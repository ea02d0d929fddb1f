#include "platform/unix_listener.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/guarded.h"
#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

constexpr int kBacklog = 1024;
constexpr int kShortagePause = 100;  // ms

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Fail(Code::kInvalidArgument,
                fmt::format("the socket path '{}' must have 1 to {} bytes", path,
                            sizeof(address.sun_path) - 1),
                {.name = "socket-path-length"});
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

Result<UniqueFd> MakeSocket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return FailErrno(errno, "cannot make a unix socket");
  return fd;
}

template <class Call>
int OnAddress(Call call, const UniqueFd& fd, const sockaddr_un& address) {
  return call(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

std::unexpected<Error> InUse(const std::string& path, std::string_view why) {
  return Fail(Code::kConflict, fmt::format("'{}' {}", path, why),
              {.name = "socket-in-use",
               .advice = "Stop what listens there, remove the file, or choose another path."});
}

// Removes what a crash left behind. Two daemons that start at once are kept apart by their lock
// files: a socket that is bound but not yet listening looks stale here.
Result<void> ClearStale(const std::string& path, const sockaddr_un& address) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return FailErrno(errno, fmt::format("cannot stat '{}'", path));
  }
  if (!S_ISSOCK(status.st_mode)) return InUse(path, "exists and is not a socket");
  ASSIGN_OR_RETURN(const UniqueFd probe, MakeSocket(), "ask whether somebody listens");
  if (OnAddress(::connect, probe, address) == 0 || errno != ECONNREFUSED) {
    return InUse(path, "is a socket that somebody listens at");
  }
  if (::unlink(path.c_str()) != 0) return FailErrno(errno, fmt::format("cannot remove '{}'", path));
  return {};
}

// Sets owner and mode through a descriptor of the very socket, which a rename of the path cannot
// exchange, and returns its identity.
Result<struct stat> SetAccess(const std::string& path, mode_t mode, gid_t group) {
  const UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status = {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    return FailErrno(errno, fmt::format("cannot open '{}'", path));
  }
  if (!S_ISSOCK(status.st_mode)) return InUse(path, "was exchanged while it was made");
  const std::string self = fmt::format("/proc/self/fd/{}", file.get());
  if (::fchownat(file.get(), "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH) != 0 ||
      ::chmod(self.c_str(), mode) != 0) {
    return FailErrno(errno, fmt::format("cannot set the access of '{}'", path));
  }
  return status;
}

// Whether peers can be identified in this way: better known now than refused one by one.
Result<void> CheckMode(PeerMode mode) {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return FailErrno(errno, "cannot make a pair of sockets");
  const UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  RETURN_IF_ERROR(ReadPeer(ours.get(), mode), "listen");
  return {};
}

// True once `stop` is readable, false when `socket` is or the time is over.
bool Stopped(int stop, int socket, int timeout) {
  std::array<pollfd, 2> ready = {{{.fd = stop, .events = POLLIN, .revents = 0},
                                  {.fd = socket, .events = POLLIN, .revents = 0}}};
  ::poll(ready.data(), ready.size(), timeout);
  return ready[0].revents != 0;
}

}  // namespace

Result<gid_t> FindGroup(const std::string& name) {
  gid_t number = static_cast<gid_t>(-1);
  if (name.empty()) return number;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size()) return number;
  std::vector<char> buffer(65536);
  struct group entry = {};
  struct group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return Fail(Code::kNotFound, fmt::format("there is no group '{}'", name),
                {.name = "group-unknown", .advice = "Create the group, or configure another."});
  }
  return found->gr_gid;
}

Result<std::unique_ptr<UnixListener>> UnixListener::Create(const std::string& path, mode_t mode,
                                                           const std::string& group,
                                                           Handler handler, PeerMode peers) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path), "listen");
  ASSIGN_OR_RETURN(const gid_t group_id, FindGroup(group), fmt::format("listen at '{}'", path));
  RETURN_IF_ERROR(CheckMode(peers), fmt::format("listen at '{}'", path));
  RETURN_IF_ERROR(ClearStale(path, address), "listen");
  ASSIGN_OR_RETURN(UniqueFd socket, MakeSocket(), "listen");
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return FailErrno(errno, "cannot make an eventfd");

  // unix(7): bind gives the file the mode of the descriptor, so it is never wider than it ends up;
  // and until listen every connect is refused.
  if (::fchmod(socket.get(), 0600) != 0 || OnAddress(::bind, socket, address) != 0) {
    if (errno == EADDRINUSE) return InUse(path, "was taken by another process");
    return FailErrno(errno, fmt::format("cannot bind '{}'", path));
  }
  std::unique_ptr<UnixListener> listener(
      new UnixListener(path, std::move(socket), std::move(stop), std::move(handler), peers));
  const auto status = SetAccess(path, mode, group_id);
  if (!status) {
    ::unlink(path.c_str());
    return std::unexpected(status.error());
  }
  listener->device_ = status->st_dev;
  listener->inode_ = status->st_ino;
  if (::listen(listener->socket_.get(), kBacklog) != 0) {
    return FailErrno(errno, fmt::format("cannot listen at '{}'", path));
  }
  listener->thread_ = std::thread(&UnixListener::AcceptLoop, listener.get());
  return listener;
}

UnixListener::UnixListener(std::string path, UniqueFd socket, UniqueFd stop, Handler handler,
                           PeerMode peers)
    : path_(std::move(path)),
      socket_(std::move(socket)),
      stop_(std::move(stop)),
      handler_(std::move(handler)),
      peers_(peers) {}

UnixListener::~UnixListener() {
  Stop();
  struct stat status = {};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

void UnixListener::Stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  socket_.reset();
}

void UnixListener::AcceptLoop() {
  while (!Stopped(stop_.get(), socket_.get(), -1)) {
    // Out of descriptors or memory the connection stays readable: pause instead of spinning.
    if (!AcceptOne() && Stopped(stop_.get(), -1, kShortagePause)) return;
  }
}

// False when the kernel is short of something, or we are: the connection is closed.
bool UnixListener::AcceptOne() {
  UniqueFd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) {
    return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
  }
  return Guarded("a new connection",
                 [&]() -> Result<void> {
                   auto peer = ReadPeer(connection.get(), peers_);
                   if (peer) handler_(std::move(connection), std::move(*peer));
                   return {};
                 })
      .has_value();
}

}  // namespace lodekey::platform
