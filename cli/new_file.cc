#include "cli/new_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::cli {
namespace {

constexpr size_t kBuffer = 65536;

std::unexpected<Error> Unwritable(const std::string& path, int error) {
  return Fail(
      Code::kHardware,
      fmt::format("cannot write {}: {}", platform::EscapeControl(path), std::strerror(error)),
      {.name = "file-unwritable", .advice = "Name a place that you may write to, with space."});
}

}  // namespace

Result<NewFile> NewFile::Create(std::string path) {
  platform::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() >= 0) return NewFile(std::move(path), std::move(fd));
  if (errno != EEXIST) return Unwritable(path, errno);
  return Fail(Code::kConflict, fmt::format("{} exists", platform::EscapeControl(path)),
              {.name = "file-exists", .advice = "Name another file, or move that one away."});
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::move(other.fd_)),
      buffer_(std::move(other.buffer_)),
      kept_(std::exchange(other.kept_, true)) {}

NewFile::~NewFile() {
  if (!kept_) ::unlink(path_.c_str());
}

Result<void> NewFile::Write(std::string_view text) {
  buffer_ += text;
  return buffer_.size() < kBuffer ? Result<void>() : Flush();
}

Result<void> NewFile::Flush() {
  for (std::string_view left = buffer_; !left.empty();) {
    const ssize_t wrote = ::write(fd_.get(), left.data(), left.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Unwritable(path_, errno);
    left.remove_prefix(static_cast<size_t>(wrote));
  }
  buffer_.clear();
  return {};
}

Result<void> NewFile::Finish() {
  if (auto flushed = Flush(); !flushed) return flushed;
  if (::fsync(fd_.get()) != 0) return Unwritable(path_, errno);
  kept_ = true;
  return {};
}

}  // namespace lodekey::cli
