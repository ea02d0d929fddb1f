// A FUSE file system of one program, served by a process that can be stopped: then whoever asks the
// file system waits.
#pragma once

#include <string>
#include <sys/types.h>

namespace lodekey::test {

// Mounts it at `directory`, with `content` as the file "program", and forks its server, which ends
// with its parent. It is of `uid`, and shows itself to others when uid is 0. Call in a mount
// namespace of its own. Returns the server; 0 where FUSE cannot be mounted.
pid_t ServeFuseProgram(const std::string& directory, const std::string& content, uid_t uid = 0);

}  // namespace lodekey::test
