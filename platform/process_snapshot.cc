#include "platform/process_snapshot.h"

#include <fcntl.h>

namespace lodekey::platform {
namespace {

constexpr size_t kCgroupLimit = 65536;  // bytes; one line for each hierarchy of cgroup v1

}  // namespace

Result<ProcessSnapshot> TakeSnapshot(const Peer& peer) {
  ASSIGN_OR_RETURN(const ProcDir directory, ProcDir::Open(peer.pid, peer.pidfd),
                   "look at the peer");
  ASSIGN_OR_RETURN(const ProcStat stat, directory.Stat(), "look at the peer");
  ASSIGN_OR_RETURN(const UniqueFd executable, directory.OpenExecutable(O_PATH), "look at the peer");
  ASSIGN_OR_RETURN(FileId id, ReadFileId(executable.get()), "look at the peer's executable");
  ASSIGN_OR_RETURN(std::string cgroup, directory.Read("cgroup", kCgroupLimit), "look at the peer");
  return ProcessSnapshot{.stat = stat, .executable = std::move(id), .cgroup = std::move(cgroup)};
}

}  // namespace lodekey::platform
