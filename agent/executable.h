// The file that a process executes, and what may be asked of it without waiting for a stranger: a
// user may have it served by a process of his own, which answers when it likes, and with what it
// likes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "platform/file_id.h"
#include "platform/mounts.h"
#include "platform/proc_dir.h"
#include "platform/unique_fd.h"

namespace lodekey::agent {

class Executable {
 public:
  // Opens it O_PATH: of the file itself nothing is read.
  static Result<Executable> Open(const platform::ProcDir& process);

  const platform::FileId& id() const { return id_; }

  // Why neither path nor bytes may be looked at, for a remark; empty when they may: its file system
  // is of a type that the kernel serves, and mounted in this process's mount namespace too, where
  // no user mounts what he likes; or it is in anonymous memory (memfd_create(2)).
  const std::string& refusal() const { return refusal_; }

  // Whether `path`, as this host sees it, is this file: not one that took its place, nor one that
  // another mount namespace has there. Call only without a refusal.
  bool IsAt(const std::string& path) const;

  // For reading. Call only without a refusal.
  Result<platform::UniqueFd> Read() const;

 private:
  Executable(platform::UniqueFd file, platform::FileId id)
      : file_(std::move(file)), id_(std::move(id)) {}

  Result<void> Judge(const platform::ProcDir& process);

  platform::UniqueFd file_;
  platform::FileId id_;
  platform::Mounts mounts_;  // of this process's own namespace
  std::string refusal_;
  dev_t device_ = 0;  // of its file system, as the mount tables have it
};

}  // namespace lodekey::agent
