// What is mounted, by /proc/<pid>/mountinfo (proc_pid_mountinfo(5)). Asks no file system anything:
// looking at a file may wait for whoever serves it, which on FUSE is any user.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "base/result.h"
#include "platform/proc_dir.h"

namespace lodekey::platform {

struct Mount {
  uint64_t id = 0;   // ReadMountId; of one mount at a time, and differs between namespaces
  dev_t device = 0;  // of the file system: the same wherever that is mounted
  std::string point;
  std::string type;  // "ext4", "fuse.sshfs"
  bool operator==(const Mount&) const = default;
};

class Mounts {
 public:
  Mounts() = default;
  static Result<Mounts> Parse(std::string_view mountinfo);
  // Of the mount namespace of `process`. Fails beyond 4 MiB, some 20,000 mounts.
  static Result<Mounts> Of(const ProcDir& process);

  // Null when there is none.
  const Mount* Find(uint64_t id) const;
  // Those that resolving the absolute `path` may pass, outermost first: of several at one point the
  // last.
  std::vector<const Mount*> Covering(std::string_view path) const;
  const std::vector<Mount>& all() const { return mounts_; }

 private:
  explicit Mounts(std::vector<Mount> mounts) : mounts_(std::move(mounts)) {}
  std::vector<Mount> mounts_;
};

// Whether the kernel itself serves file systems of this type from what is local: none that a user's
// process or another host answers for.
bool IsServedByKernel(std::string_view type);

// The mount of an open descriptor, which may be O_PATH. The descriptor keeps the number from being
// used again.
Result<uint64_t> ReadMountId(int fd);

}  // namespace lodekey::platform
