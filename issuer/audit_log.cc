#include "issuer/audit_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace lodekey::issuer {
namespace {

std::unexpected<Error> Unavailable(std::string text, int number) {
  return Fail(Code::kUnavailable, fmt::format("{}: {}", text, std::strerror(number)),
              {.name = "audit-unavailable",
               .advice = "Make the audit log's file system writable and give it space.",
               .detail = Detail{Detail::Source::kErrno, static_cast<uint64_t>(number)}});
}

std::unexpected<Error> Corrupt(std::string text) {
  return Fail(
      Code::kUntrusted, std::move(text),
      {.name = "audit-corrupt",
       .advice = "Keep the file, find out who wrote to it, and restore the log together with "
                 "the database from a backup."});
}

// Makes a new file's name durable.
Result<void> SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Unavailable(fmt::format("open {}", directory), errno);
  const int failure = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (failure != 0) return Unavailable(fmt::format("fsync {}", directory), failure);
  return {};
}

Result<uint64_t> RegularSize(int fd, const std::string& path) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return Unavailable(fmt::format("stat {}", path), errno);
  if (!S_ISREG(status.st_mode)) return Corrupt(fmt::format("{} is not a regular file", path));
  return static_cast<uint64_t>(status.st_size);
}

Result<std::string> ReadFrom(int fd, uint64_t offset, size_t size) {
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got =
        pread(fd, text.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unavailable("read the audit log", errno);
    if (got == 0) return Corrupt("the audit log became shorter while it was read");
    done += static_cast<size_t>(got);
  }
  return text;
}

// What an interrupted append can leave behind the last complete line: the beginning of a line, or
// the zeros that some file systems show where data did not reach the disk. Anything else is not
// ours to cut off.
bool IsTornLine(std::string_view text) {
  constexpr std::string_view kBeginning = R"({"seq":)";
  const size_t common = std::min(text.size(), kBeginning.size());
  if (text.substr(0, common) == kBeginning.substr(0, common)) return true;
  return std::ranges::all_of(text, [](char byte) { return byte == '\0'; });
}

}  // namespace

AuditLog::AuditLog(std::string path, int fd, crypto::Ed25519Key key)
    : path_(std::move(path)), fd_(fd), key_(std::move(key)) {}

AuditLog::~AuditLog() { close(fd_); }

Result<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path, crypto::Ed25519Key key) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  const int fd = open(path.c_str(), kFlags, 0640);
  if (fd < 0) return Unavailable(fmt::format("open {}", path), errno);
  std::unique_ptr<AuditLog> log(new AuditLog(path, fd, std::move(key)));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return Fail(Code::kConflict, fmt::format("{} is in use by another process", path),
                {.name = "audit-in-use", .advice = "Stop the other issuer first."});
  }
  RETURN_IF_ERROR(log->FindHead(), fmt::format("find the end of {}", path));
  RETURN_IF_ERROR(SyncDirectoryOf(path), "make the audit log durable");
  return log;
}

Result<void> AuditLog::FindHead() {
  ASSIGN_OR_RETURN(const uint64_t size, RegularSize(fd_, path_), "look at the file");
  // A torn line, the LF before it, and the line that this LF ends.
  const size_t tail_size = std::min<uint64_t>(size, 2 * (crypto::kMaxChainLine + 1));
  ASSIGN_OR_RETURN(const std::string tail, ReadFrom(fd_, size - tail_size, tail_size), "read");

  const size_t end = tail.rfind('\n') + 1;  // 0 when there is no complete line
  if (end == 0 && tail_size < size) return Corrupt("the last line is too long");
  if (!IsTornLine(std::string_view(tail).substr(end))) {
    return Corrupt("what follows the last complete line was not written by the issuer");
  }
  if (end > 0) {
    const size_t previous = end < 2 ? std::string::npos : tail.rfind('\n', end - 2);
    const size_t begin = previous == std::string::npos ? 0 : previous + 1;
    const std::string_view line = std::string_view(tail).substr(begin, end - 1 - begin);
    auto parsed = crypto::ParseChainLine(line, key_.public_key());
    if (!parsed) return Corrupt(fmt::format("the last line: {}", parsed.error().text));
    head_ = parsed->head;
  }
  size_ = size - tail_size + end;
  may_be_longer_ = true;
  return CutBack();
}

Result<void> AuditLog::CutBack() {
  if (!may_be_longer_) return {};
  if (ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
    return Unavailable(fmt::format("cut {} back", path_), errno);
  }
  if (fdatasync(fd_) != 0) return Unavailable(fmt::format("fdatasync {}", path_), errno);
  may_be_longer_ = false;
  return {};
}

Result<void> AuditLog::CheckUntouched() const {
  struct stat status = {};
  if (fstat(fd_, &status) != 0) return Unavailable(fmt::format("stat {}", path_), errno);
  if (status.st_nlink > 0 && static_cast<uint64_t>(status.st_size) == size_) return {};
  return Fail(Code::kUnavailable,
              fmt::format("{} was truncated, written to or removed by somebody else", path_),
              {.name = "audit-unavailable",
               .advice = "Rotate the log with the issuer's own command only; restart the issuer to "
                         "have log and database compared."});
}

Result<void> AuditLog::Append(std::string_view lines, const crypto::ChainHead& head) {
  RETURN_IF_ERROR(CutBack(), "remove what an append left");
  RETURN_IF_ERROR(CheckUntouched(), "append to the audit log");
  may_be_longer_ = true;
  int failure = 0;
  for (std::string_view rest = lines; !rest.empty() && failure == 0;) {
    const ssize_t written = write(fd_, rest.data(), rest.size());
    if (written >= 0) rest.remove_prefix(static_cast<size_t>(written));
    if (written < 0 && errno != EINTR) failure = errno;
  }
  if (failure == 0 && fdatasync(fd_) != 0) failure = errno;
  if (failure != 0) {
    // Tried again before the next append when it fails now.
    static_cast<void>(CutBack());
    return Unavailable(fmt::format("append to {}", path_), failure);
  }
  may_be_longer_ = false;
  size_ += lines.size();
  head_ = head;
  return {};
}

}  // namespace lodekey::issuer
