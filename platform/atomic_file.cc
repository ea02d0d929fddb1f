// WriteFileAtomically: its own file, because the order of its steps is the point.
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "platform/errno_error.h"
#include "platform/file.h"

namespace lodekey::platform {
namespace {

// The new content before it has the final name. Without a name where the file system can do that
// (O_TMPFILE), so that not even SIGKILL leaves a copy behind; the temporary name it gets for the
// rename goes away with the object.
class PendingFile {
 public:
  PendingFile(int directory, std::string name) : directory_(directory), name_(std::move(name)) {}
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (named_) ::unlinkat(directory_, temporary_.c_str(), 0);
  }

  // Errors of the members are in errno.
  bool Open() {
    uint64_t random = 0;
    if (::getrandom(&random, sizeof(random), 0) != sizeof(random)) return false;
    temporary_ = fmt::format(".{}.{:016x}", name_.substr(0, 200), random);
    fd_ = UniqueFd(::openat(directory_, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (fd_.valid() || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
      return fd_.valid();
    }
    fd_ = UniqueFd(::openat(directory_, temporary_.c_str(),
                            O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600));
    named_ = fd_.valid();
    return named_;
  }

  bool Write(ByteView content, mode_t mode) {
    if (::fchmod(fd_.get(), mode) != 0) return false;
    while (!content.empty()) {
      const ssize_t wrote = ::write(fd_.get(), content.data(), content.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return false;
      content = content.subspan(static_cast<size_t>(wrote));
    }
    return ::fsync(fd_.get()) == 0;
  }

  bool Publish() {
    if (!named_ && !GiveName()) return false;
    named_ = ::renameat(directory_, temporary_.c_str(), directory_, name_.c_str()) != 0;
    return !named_;
  }

 private:
  bool GiveName() {
    // Through /proc and not AT_EMPTY_PATH, which needs CAP_DAC_READ_SEARCH.
    const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
    named_ =
        ::linkat(AT_FDCWD, self.c_str(), directory_, temporary_.c_str(), AT_SYMLINK_FOLLOW) == 0;
    return named_;
  }

  int directory_;
  std::string name_;
  std::string temporary_;
  UniqueFd fd_;
  bool named_ = false;
};

}  // namespace

Result<void> WriteFileAtomically(const std::string& path, ByteView content, mode_t mode) {
  const std::filesystem::path whole(path);
  if (!whole.has_filename()) {
    return Fail(Code::kInvalidArgument, fmt::format("'{}' names no file", path));
  }
  const std::string parent = whole.has_parent_path() ? whole.parent_path().string() : ".";
  const UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return FailErrno(errno, fmt::format("cannot open '{}'", parent));

  PendingFile file(directory.get(), whole.filename().string());
  if (!file.Open() || !file.Write(content, mode) || !file.Publish()) {
    return FailErrno(errno, fmt::format("cannot write '{}'", path));
  }
  // The rename is only durable once its directory is.
  if (::fsync(directory.get()) != 0) {
    return FailErrno(errno, fmt::format("cannot sync '{}'", parent));
  }
  return {};
}

}  // namespace lodekey::platform
