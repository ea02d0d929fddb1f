// Files of bounded size, read whole and written whole. Every error names the path. Thread-safe.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

inline constexpr size_t kTextFileLimit = 1 << 20;  // bytes

// Opens a regular file for reading, close-on-exec. Symlinks are followed. Fails with kNotFound
// "file-not-found", kHardware "file-permission", kInvalidArgument "file-not-regular".
Result<UniqueFd> OpenFile(const std::string& path);

// Reads from the current offset of `fd` to the end; `path` is for error texts. The size the file
// claims is not believed: pseudo files say 0. Fails with kInvalidArgument "file-too-large" when
// more than `max_bytes` are there.
Result<Bytes> ReadToEnd(int fd, size_t max_bytes, const std::string& path);

// The same, but stops after `max_bytes`.
Result<Bytes> ReadUpTo(int fd, size_t max_bytes, const std::string& path);

// OpenFile and ReadToEnd.
Result<Bytes> ReadFile(const std::string& path, size_t max_bytes);
Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes = kTextFileLimit);

// Replaces the file at `path` as a whole: after a crash at any moment it has the old content or the
// new, on disk. `mode` is set whatever the umask. On failure (kHardware "disk-full") the old
// content stays and no temporary file is left. A symlink at `path` is replaced, not followed.
// Wiping `content` is the caller's.
Result<void> WriteFileAtomically(const std::string& path, ByteView content, mode_t mode);

// Makes one directory (not its parents) with exactly `mode`. One that exists is fine when it is a
// directory, not a symlink, owned by root or by us, and not writable by group or others; else
// kDenied "directory-unsafe".
Result<void> MakeDirectory(const std::string& path, mode_t mode);

// Removes a file; one that is absent is fine.
Result<void> RemoveFile(const std::string& path);

// Takes the exclusive lock on `path` (made 0600 when absent) without waiting; it is held until the
// descriptor closes, so also until a crash. Fails with kConflict "already-running".
Result<UniqueFd> LockFile(const std::string& path);

}  // namespace lodekey::platform
