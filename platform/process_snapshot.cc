#include "platform/process_snapshot.h"

#include <cerrno>
#include <fcntl.h>

namespace lodekey::platform {
namespace {

constexpr size_t kCgroupLimit = 65536;  // bytes; one line for each hierarchy of cgroup v1

bool IsPermission(const Error& error) {
  return error.detail && error.detail->source == Detail::Source::kErrno &&
         (error.detail->number == EACCES || error.detail->number == EPERM);
}

}  // namespace

Result<FileId> ReadExecutableId(const UniqueFd& executable) {
  auto id = ReadFileId(executable.get());
  if (id || !IsPermission(id.error())) return id;
  return Fail(Code::kDenied,
              "may not look at the peer's executable: its file system is closed to root",
              {.name = "peer-unreadable",
               .advice = "FUSE shows a user's files to that user alone: run the program from a "
                         "local file system."});
}

Result<ProcessSnapshot> TakeSnapshot(const Peer& peer) {
  ASSIGN_OR_RETURN(const ProcDir directory, ProcDir::Open(peer.pid, peer.pidfd),
                   "look at the peer");
  ASSIGN_OR_RETURN(const ProcStat stat, directory.Stat(), "look at the peer");
  ASSIGN_OR_RETURN(const UniqueFd executable, directory.OpenExecutable(), "look at the peer");
  ASSIGN_OR_RETURN(FileId id, ReadExecutableId(executable), "look at the peer");
  ASSIGN_OR_RETURN(std::string cgroup, directory.Read("cgroup", kCgroupLimit), "look at the peer");
  return ProcessSnapshot{.stat = stat, .executable = std::move(id), .cgroup = std::move(cgroup)};
}

}  // namespace lodekey::platform
