#include "platform/file_id.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "platform/errno_error.h"

// Newer than the headers of Debian 12.
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U  // Linux 6.8
#endif
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID AT_REMOVEDIR  // Linux 6.5: a handle that only identifies
#endif

namespace lodekey::platform {
namespace {

constexpr size_t kMaxHandle = 128;  // MAX_HANDLE_SZ

// Type and bytes; empty when the file system gives none.
Bytes ReadHandle(int fd, int flags) {
  alignas(file_handle) std::array<uint8_t, sizeof(file_handle) + kMaxHandle> buffer{};
  auto* handle = reinterpret_cast<file_handle*>(buffer.data());
  handle->handle_bytes = kMaxHandle;
  int mount = 0;
  if (::name_to_handle_at(fd, "", handle, &mount, AT_EMPTY_PATH | flags) != 0) return {};
  Bytes bytes(sizeof(handle->handle_type) + handle->handle_bytes);
  std::memcpy(bytes.data(), &handle->handle_type, sizeof(handle->handle_type));
  std::memcpy(bytes.data() + sizeof(handle->handle_type), handle->f_handle, handle->handle_bytes);
  return bytes;
}

}  // namespace

Result<FileId> ReadFileId(int fd) {
  struct statx status = {};
  // What the kernel knows: who serves a FUSE file system may never answer.
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
              STATX_INO | STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &status) != 0)
    return FailErrno(errno, "cannot identify a file");
  FileId id{.device = makedev(status.stx_dev_major, status.stx_dev_minor),
            .inode = status.stx_ino,
            .mount = status.stx_mnt_id};
  id.handle = ReadHandle(fd, 0);
  if (id.handle.empty()) id.handle = ReadHandle(fd, AT_HANDLE_FID);
  return id;
}

}  // namespace lodekey::platform
