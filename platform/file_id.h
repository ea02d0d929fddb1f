// Which file it is, whatever its names are: two that are equal are the same file, and not one that
// was put in its place.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::platform {

struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t mount =
      0;  // unique since boot where the kernel tells (Linux 6.8), else reused after umount
  Bytes handle = {};  // name_to_handle_at(2): has the generation, so a reused inode is another
                      // file; empty where the file system has none
  bool operator==(const FileId&) const = default;
};

// Of an open descriptor, which may be O_PATH. Does not wait for the file system.
Result<FileId> ReadFileId(int fd);

}  // namespace lodekey::platform
