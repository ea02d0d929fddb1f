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
Result<void> ReadGroups(int socket_fd, Peer& peer) {
  peer.groups.resize(kMostGroups);
  auto size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
  const bool read =
      ::getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0;
  if (!read && errno != ERANGE) return FailErrno(errno, "cannot read the peer's groups");
  peer.has_more_groups = !read;
  peer.groups.resize(read ? size / sizeof(gid_t) : 0);
  peer.groups.shrink_to_fit();
  return {};
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
  RETURN_IF_ERROR(ReadGroups(socket_fd, peer), "identify the peer");
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

// The numbers of one line of /proc/<pid>/status ("Uid", "Groups"); empty when there is none.
std::vector<uint32_t> StatusNumbers(std::string_view status, std::string_view name) {
  const size_t line = status.find(fmt::format("\n{}:", name));
  if (line == status.npos) return {};
  status.remove_prefix(line + name.size() + 2);
  status = status.substr(0, status.find('\n'));
  std::vector<uint32_t> numbers;
  while (const auto number = TakeNumber<uint32_t>(status)) numbers.push_back(*number);
  return numbers;
}

// Whether `uid` is the real, effective or saved user of the process.
bool RunsAs(pid_t pid, uid_t uid) {
  const auto status = ReadTextFile(fmt::format("/proc/{}/status", pid), kProcLimit);
  if (!status) return false;
  auto users = StatusNumbers(*status, "Uid");
  users.resize(std::min<size_t>(users.size(), 3));
  return std::ranges::find(users, uid) != users.end();
}

UniqueFd OpenPidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// The credentials name a number, and the number may have passed to another process between the
// peer's connect and pidfd_open. A successor that started after this call began, or that runs as
// another user, is recognised. What remains: the peer ends between its connect and our accept, and
// within that time the number comes round to a new process of the same user. Such a user gains the
// identity of a process of his own that connected a moment earlier.
Result<UniqueFd> PinByPid(const Peer& peer, Duration begun) {
  UniqueFd pidfd = OpenPidfd(peer.pid);
  if (!pidfd.valid()) {
    if (errno == ESRCH) return PeerGone();
    return FailErrno(errno, "cannot pin the peer process");
  }
  // The kernel rounds starts down to its tick: a successor within the same tick passes this check.
  const auto start = StartOf(peer.pid);
  const bool same = start && *start <= begun && RunsAs(peer.pid, peer.uid);
  // Alive after the reads: what was read from /proc was of the process that the pidfd names.
  if (!same || !IsAlive(pidfd)) return PeerGone();
  return pidfd;
}

// nullopt: the kernel has no SO_PEERPIDFD.
Result<std::optional<UniqueFd>> PinByPidfd(int socket_fd) {
  int number = -1;
  socklen_t size = sizeof(number);
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &number, &size) != 0) {
    if (errno == ENOPROTOOPT) return std::nullopt;
    // ESRCH, or EINVAL on some kernels: the process was reaped already.
    if (errno == ESRCH || errno == EINVAL || errno == ENODATA) return PeerGone();
    return FailErrno(errno, "cannot pin the peer process");
  }
  UniqueFd pidfd(number);
  if (!IsAlive(pidfd)) return PeerGone();
  return pidfd;
}

}  // namespace

Result<Peer> ReadPeer(int socket_fd, PeerMode mode) {
  const Duration begun = Uptime();
  ASSIGN_OR_RETURN(Peer peer, ReadCredentials(socket_fd), "identify the peer");
  if (mode != PeerMode::kPid) {
    ASSIGN_OR_RETURN(auto pidfd, PinByPidfd(socket_fd), "identify the peer");
    if (pidfd) {
      peer.pidfd = *std::move(pidfd);
      return peer;
    }
    if (mode == PeerMode::kPidfd) {
      return Fail(Code::kHardware, "this kernel cannot pin a peer (SO_PEERPIDFD, Linux 6.5)",
                  {.name = "peer-pidfd-unsupported",
                   .advice = "Set workload.caller_identification to \"auto\", and read what that "
                             "costs in docs/threat-model.md."});
    }
  }
  ASSIGN_OR_RETURN(peer.pidfd, PinByPid(peer, begun), "identify the peer");
  return peer;
}

Result<Peer> PeerOfPid(pid_t pid) {
  const auto none = [pid](std::string_view why) {
    return Fail(Code::kNotFound, fmt::format("process {} {}", pid, why),
                {.name = "process-not-found",
                 .advice = "Name a running process by its number on this host, as ps shows it to "
                           "root."});
  };
  Peer peer{.pid = pid, .pidfd = OpenPidfd(pid)};
  if (!peer.pidfd.valid()) {
    if (errno == ESRCH) return none("does not run");
    if (errno == EINVAL || errno == ENOENT) return none("is none, or a thread of another");
    return FailErrno(errno, "cannot pin the process");
  }
  const auto directory = ProcDir::Open(pid, peer.pidfd);
  if (!directory) return none("does not run, or /proc hides it from lodekeyd");
  ASSIGN_OR_RETURN(const std::string status, directory->Read("status", kProcLimit),
                   "look at the process");
  const auto users = StatusNumbers(status, "Uid");
  const auto groups = StatusNumbers(status, "Gid");
  if (users.size() != 4 || groups.size() != 4)
    return Fail(Code::kInternal, "/proc/<pid>/status has another form than proc(5) says");
  peer.uid = users[1];  // real, effective, saved, file system
  peer.gid = groups[1];
  peer.groups = StatusNumbers(status, "Groups");
  peer.has_more_groups = peer.groups.size() > kMostGroups;
  if (peer.has_more_groups) peer.groups.clear();
  return peer;
}

bool IsAlive(const UniqueFd& pidfd) {
  pollfd ended = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return pidfd.valid() && ::poll(&ended, 1, 0) == 0;
}

}  // namespace lodekey::platform
