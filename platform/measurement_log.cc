#include "platform/measurement_log.h"

#include <cerrno>
#include <unistd.h>

#include <fmt/format.h>

#include "platform/errno_error.h"
#include "platform/file.h"

namespace lodekey::platform {
namespace {

// The open log, or nothing where the file does not exist.
Result<std::optional<UniqueFd>> OpenLog(const std::string& path) {
  auto fd = OpenFile(path);
  if (fd) return std::optional<UniqueFd>(std::move(*fd));
  Error error = std::move(fd.error());
  if (error.code == Code::kNotFound) return std::optional<UniqueFd>();
  if (error.name == "file-permission") {
    error.advice =
        "Run as root or with CAP_DAC_READ_SEARCH: the kernel shows its logs to no other.";
  }
  return std::unexpected(std::move(error));
}

}  // namespace

Result<std::optional<Bytes>> ReadBootLog(const std::string& path) {
  ASSIGN_OR_RETURN(const auto fd, OpenLog(path), "read the boot log");
  if (!fd) return std::optional<Bytes>();
  ASSIGN_OR_RETURN(Bytes log, ReadToEnd(fd->get(), kBootLogLimit, path), "read the boot log");
  return std::optional<Bytes>(std::move(log));
}

Result<std::optional<Bytes>> ReadImaLog(const std::string& path, uint64_t offset,
                                        size_t max_bytes) {
  ASSIGN_OR_RETURN(const auto fd, OpenLog(path), "read the IMA list");
  if (!fd) return std::optional<Bytes>();
  // The list is a seq_file of the kernel: seeking past its end is allowed, and reading there gives
  // nothing. EINVAL: no file is that long.
  if (::lseek(fd->get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
    if (errno == EINVAL) return std::optional<Bytes>(Bytes());
    return FailErrno(errno, fmt::format("cannot seek in '{}'", path));
  }
  ASSIGN_OR_RETURN(Bytes chunk, ReadUpTo(fd->get(), max_bytes, path), "read the IMA list");
  return std::optional<Bytes>(std::move(chunk));
}

}  // namespace lodekey::platform
