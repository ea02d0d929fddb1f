// /proc/<pid> of one process. What is read through it is of that process or of none: the directory
// goes on naming it when the number has passed to another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// What we need of /proc/<pid>/stat (proc(5)).
struct ProcStat {
  uint64_t start = 0;  // field 22: clock ticks from boot to fork
  uint64_t stack = 0;  // field 28: bottom of the stack; 0 when the kernel does not tell us
  bool operator==(const ProcStat&) const = default;
};
std::optional<ProcStat> ParseProcStat(std::string_view text);

class ProcDir {
 public:
  // `pidfd` must name process `pid`: it is looked at after the directory was opened. kUntrusted
  // ("peer-gone") when it has ended.
  static Result<ProcDir> Open(pid_t pid, const UniqueFd& pidfd);

  // Of this process.
  static Result<ProcDir> OpenOwn();

  // kUntrusted ("peer-gone") when the process has ended meanwhile, kDenied ("peer-unreadable")
  // when the kernel does not let us look (ptrace(2), PTRACE_MODE_READ).
  Result<std::string> Read(const char* file, size_t max_bytes) const;
  Result<std::string> ReadLink(const char* file) const;
  Result<ProcStat> Stat() const;
  // The file that the process executes, whatever its name is now: O_PATH, so that no permission on
  // it is needed, and its file system is not asked.
  Result<UniqueFd> OpenExecutable() const;

 private:
  explicit ProcDir(UniqueFd directory) : directory_(std::move(directory)) {}
  static Result<ProcDir> OpenNamed(const std::string& name);
  Result<UniqueFd> OpenAt(const char* file, int flags) const;

  UniqueFd directory_;
};

}  // namespace lodekey::platform
