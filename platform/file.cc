#include "platform/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "platform/errno_error.h"

namespace lodekey::platform {

Result<UniqueFd> OpenFile(const std::string& path) {
  // O_NONBLOCK, so that a FIFO in the place of a file is refused below instead of waited for.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return FailErrno(errno, fmt::format("cannot open '{}'", path));
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0)
    return FailErrno(errno, fmt::format("cannot stat '{}'", path));
  if (!S_ISREG(status.st_mode)) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' is not a regular file", path),
                {.name = "file-not-regular"});
  }
  return fd;
}

Result<Bytes> ReadUpTo(int fd, size_t max_bytes, const std::string& path) {
  Bytes content;
  std::array<uint8_t, 16384> chunk;
  while (content.size() < max_bytes) {
    const ssize_t got =
        ::read(fd, chunk.data(), std::min(chunk.size(), max_bytes - content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailErrno(errno, fmt::format("cannot read '{}'", path));
    if (got == 0) break;
    content.insert(content.end(), chunk.begin(), chunk.begin() + got);
  }
  return content;
}

Result<Bytes> ReadToEnd(int fd, size_t max_bytes, const std::string& path) {
  auto content = ReadUpTo(fd, max_bytes + 1, path);
  if (content && content->size() > max_bytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is larger than {} bytes", path, max_bytes),
                {.name = "file-too-large"});
  }
  return content;
}

Result<Bytes> ReadFile(const std::string& path, size_t max_bytes) {
  const auto fd = OpenFile(path);
  if (!fd) return std::unexpected(fd.error());
  return ReadToEnd(fd->get(), max_bytes, path);
}

Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes) {
  const auto content = ReadFile(path, max_bytes);
  if (!content) return std::unexpected(content.error());
  return std::string(AsText(*content));
}

namespace {

std::unexpected<Error> UnsafeDirectory(const std::string& path, std::string_view why) {
  return Fail(
      Code::kDenied, fmt::format("'{}' {}", path, why),
      {.name = "directory-unsafe", .advice = "Remove it, or give it to its user with mode 0700."});
}

Result<void> CheckDirectory(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    return FailErrno(errno, fmt::format("cannot stat '{}'", path));
  }
  if (!S_ISDIR(status.st_mode)) return UnsafeDirectory(path, "is not a directory");
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return UnsafeDirectory(path, fmt::format("belongs to user {}", status.st_uid));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return UnsafeDirectory(path, "is writable by its group or by others");
  }
  return {};
}

}  // namespace

Result<void> MakeDirectory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode & 0700) != 0) {
    if (errno == EEXIST) return CheckDirectory(path);
    return FailErrno(errno, fmt::format("cannot make directory '{}'", path));
  }
  // Made with the owner's bits alone and widened afterwards: the umask must not decide.
  if (::chmod(path.c_str(), mode) != 0) {
    return FailErrno(errno, fmt::format("cannot set the mode of '{}'", path));
  }
  return {};
}

Result<void> RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return FailErrno(errno, fmt::format("cannot remove '{}'", path));
}

Result<UniqueFd> LockFile(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
  if (!fd.valid()) return FailErrno(errno, fmt::format("cannot open lock '{}'", path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return FailErrno(errno, fmt::format("cannot lock '{}'", path));
  return Fail(Code::kConflict, fmt::format("another process holds the lock '{}'", path),
              {.name = "already-running", .advice = "Stop the instance that runs already."});
}

}  // namespace lodekey::platform
