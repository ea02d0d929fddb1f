// Who is at the other end of a unix socket, by the kernel's word.
#pragma once

#include <sys/types.h>
#include <vector>

#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// The process that called connect (or socketpair), as it was then. The pidfd goes on naming that
// process and no other: check IsAlive before and after anything is read from /proc/<pid>.
// A user may be given tens of thousands, and each of his connections would keep them.
inline constexpr size_t kMostGroups = 256;

struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};  // supplementary ones; none when there are more than kMostGroups
  bool has_more_groups = false;
  UniqueFd pidfd = {};
};

// How the process behind the credentials is pinned.
enum class PeerMode {
  kAuto,   // kPidfd where the kernel has it, else kPid
  kPidfd,  // SO_PEERPIDFD (Linux 6.5)
  kPid,    // by its number, as before Linux 6.5; a window remains, see peer.cc
};

// Fails with kUntrusted "peer-unknown" when the peer is in a foreign PID namespace, kUntrusted
// "peer-gone" when it no longer runs, and kHardware "peer-pidfd-unsupported" when the kernel lacks
// what `mode` asks for.
Result<Peer> ReadPeer(int socket_fd, PeerMode mode = PeerMode::kAuto);

// A process as its peer would be if it connected now: effective user and group. kNotFound
// "process-not-found".
Result<Peer> PeerOfPid(pid_t pid);

// True until the process of `pidfd` has ended.
bool IsAlive(const UniqueFd& pidfd);

}  // namespace lodekey::platform
