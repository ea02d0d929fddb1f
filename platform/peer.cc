#include "platform/peer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/time.h"
#include "platform/clock.h"
#include "platform/errno_error.h"
#include "platform/file.h"
#include "platform/proc_dir.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; the headers of Debian 12 are older
#endif

namespace lodekey::platform {
namespace {

constexpr size_t kProcLimit = 16384;  // bytes; stat and status take about one KiB

std::unexpected<Error> PeerGone() {
  return Fail(Code::kUntrusted, "the peer process has ended", {.name = "peer-gone"});
}

// SO_PEERGROUPS (Linux 4.13): the supplementary groups as they were at connect.
Result<std::vector<gid_t>> ReadGroups(int socket_fd) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool read = ::getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    if (!read && errno != ERANGE) return FailErrno(errno, "cannot read the peer's groups");
    groups.resize(size / sizeof(gid_t));  // on ERANGE the size that is needed
    if (read) return groups;
  }
}

Result<Peer> ReadCredentials(int socket_fd) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return FailErrno(errno, "cannot read the peer's credentials");
  }
  if (credentials.pid <= 0) {
    return Fail(Code::kUntrusted, "the peer is not a process of this PID namespace",
                {.name = "peer-unknown"});
  }
  Peer peer{.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
  ASSIGN_OR_RETURN(peer.groups, ReadGroups(socket_fd), "identify the peer");
  return peer;
}

template <class T>
std::optional<T> TakeNumber(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  T number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return {};
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// The start of the process after boot.
std::optional<Duration> StartOf(pid_t pid) {
  const auto text = ReadTextFile(fmt::format("/proc/{}/stat", pid), kProcLimit);
  const auto stat = text ? ParseProcStat(*text) : std::nullopt;
  if (!stat) return {};
  return std::chrono::milliseconds(stat->start * 1000 /
                                   static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)));
}

// Whether `uid` is the real, effective or saved user of the process.
bool RunsAs(pid_t pid, uid_t uid) {
  const auto status = ReadTextFile(fmt::format("/proc/{}/status", pid), kProcLimit);
  if (!status) return false;
  const size_t line = status->find("\nUid:");
  if (line == std::string::npos) return false;
  std::string_view rest = std::string_view(*status).substr(line + 5);
  for (int i = 0; i < 3; ++i) {
    if (TakeNumber<uid_t>(rest) == uid) return true;
  }
  return false;
}

}  // namespace

Result<Peer> ReadPeer(int socket_fd) {
  ASSIGN_OR_RETURN(Peer peer, ReadCredentials(socket_fd), "identify the peer");
  int pidfd = -1;
  socklen_t size = sizeof(pidfd);
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
    if (errno == ENOPROTOOPT) return ReadPeerByPid(socket_fd);
    // ESRCH, or EINVAL on some kernels: the process was reaped already.
    if (errno == ESRCH || errno == EINVAL || errno == ENODATA) return PeerGone();
    return FailErrno(errno, "cannot pin the peer process");
  }
  peer.pidfd = UniqueFd(pidfd);
  if (!IsAlive(peer.pidfd)) return PeerGone();
  return peer;
}

// The credentials name a number, and the number may have passed to another process between the
// peer's connect and pidfd_open. A successor that started after this call began, or that runs as
// another user, is recognised. What remains: the peer ends between its connect and our accept, and
// within that time the number comes round to a new process of the same user. Such a user gains the
// identity of a process of his own that connected a moment earlier.
Result<Peer> ReadPeerByPid(int socket_fd) {
  // The kernel rounds starts down to its tick: a successor within the same tick passes this check.
  const Duration begun = Uptime();
  ASSIGN_OR_RETURN(Peer peer, ReadCredentials(socket_fd), "identify the peer");
  peer.pidfd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
  if (!peer.pidfd.valid()) {
    if (errno == ESRCH) return PeerGone();
    return FailErrno(errno, "cannot pin the peer process");
  }
  const auto start = StartOf(peer.pid);
  const bool same = start && *start <= begun && RunsAs(peer.pid, peer.uid);
  // Alive after the reads: what was read from /proc was of the process that the pidfd names.
  if (!same || !IsAlive(peer.pidfd)) return PeerGone();
  return peer;
}

bool IsAlive(const UniqueFd& pidfd) {
  pollfd ended = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return pidfd.valid() && ::poll(&ended, 1, 0) == 0;
}

}  // namespace lodekey::platform
