// Who is at the other end of a unix socket, by the kernel's word.
#pragma once

#include <sys/types.h>
#include <vector>

#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// The process that called connect (or socketpair), as it was then. The pidfd goes on naming that
// process and no other: check IsAlive before and after anything is read from /proc/<pid>.
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};  // supplementary ones
  UniqueFd pidfd = {};
};

// Fails with kUntrusted "peer-unknown" when the peer is in a foreign PID namespace, and
// kUntrusted "peer-gone" when it no longer runs.
Result<Peer> ReadPeer(int socket_fd);

// What ReadPeer does before Linux 6.5, which has no SO_PEERPIDFD. A window remains; see peer.cc.
Result<Peer> ReadPeerByPid(int socket_fd);

// True until the process of `pidfd` has ended.
bool IsAlive(const UniqueFd& pidfd);

}  // namespace lodekey::platform
