// A process at one moment, by the kernel's word: two snapshots that are equal are of one process
// that executed nothing else and was moved to no other cgroup in between.
#pragma once

#include <string>

#include "base/result.h"
#include "platform/file_id.h"
#include "platform/peer.h"
#include "platform/proc_dir.h"

namespace lodekey::platform {

struct ProcessSnapshot {
  ProcStat stat;  // another stack after each execve (address space layout randomisation)
  FileId executable;
  std::string cgroup;  // /proc/<pid>/cgroup, whole
  bool operator==(const ProcessSnapshot&) const = default;
};

// Of the file that a process executes, open. kDenied ("peer-unreadable").
Result<FileId> ReadExecutableId(const UniqueFd& executable);

// Waits for no file system. kUntrusted ("peer-gone"), kDenied ("peer-unreadable").
Result<ProcessSnapshot> TakeSnapshot(const Peer& peer);

}  // namespace lodekey::platform
