#include "platform/proc_dir.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <fmt/format.h>

#include "platform/errno_error.h"
#include "platform/file.h"
#include "platform/peer.h"

namespace lodekey::platform {
namespace {

constexpr size_t kStatLimit = 16384;  // bytes; it takes about 300

std::unexpected<Error> PeerGone() {
  return Fail(Code::kUntrusted, "the peer process has ended", {.name = "peer-gone"});
}

std::unexpected<Error> FailRead(int number, std::string_view file) {
  if (number == ESRCH || number == ENOENT) return PeerGone();
  if (number == EACCES || number == EPERM) {
    return Fail(Code::kDenied, fmt::format("may not look at the peer's {}", file),
                {.name = "peer-unreadable",
                 .advice = "lodekeyd needs CAP_SYS_PTRACE to look at processes of other users."});
  }
  return FailErrno(number, fmt::format("cannot read the peer's {}", file));
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

}  // namespace

std::optional<ProcStat> ParseProcStat(std::string_view text) {
  // Fields are counted from behind the last ')', because the command name in field 2 may hold
  // anything.
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return {};
  text.remove_prefix(name_end + 1);
  ProcStat stat;
  for (int field = 3; field <= 28; ++field) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    const auto number = Number(text.substr(0, end));
    if ((field == 22 || field == 28) && !number) return {};
    if (field == 22) stat.start = *number;
    if (field == 28) stat.stack = *number;
    text.remove_prefix(end);
  }
  return stat;
}

Result<ProcDir> ProcDir::OpenNamed(const std::string& name) {
  UniqueFd directory(::open(("/proc/" + name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return FailRead(errno, "/proc directory");
  return ProcDir(std::move(directory));
}

Result<ProcDir> ProcDir::Open(pid_t pid, const UniqueFd& pidfd) {
  ASSIGN_OR_RETURN(ProcDir directory, OpenNamed(std::to_string(pid)), "look at the peer");
  // Alive now, so the number was its own when the directory was opened.
  if (!IsAlive(pidfd)) return PeerGone();
  return directory;
}

Result<ProcDir> ProcDir::OpenOwn() { return OpenNamed("self"); }

Result<UniqueFd> ProcDir::OpenAt(const char* file, int flags) const {
  UniqueFd fd(::openat(directory_.get(), file, flags | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return FailRead(errno, file);
  return fd;
}

Result<std::string> ProcDir::Read(const char* file, size_t max_bytes) const {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenAt(file, O_RDONLY), "read of the peer");
  const auto content = ReadToEnd(fd.get(), max_bytes, file);
  if (content) return std::string(AsText(*content));
  const auto& detail = content.error().detail;
  if (detail && detail->source == Detail::Source::kErrno)
    return FailRead(static_cast<int>(detail->number), file);
  return std::unexpected(content.error());
}

Result<std::string> ProcDir::ReadLink(const char* file) const {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlinkat(directory_.get(), file, target.data(), target.size());
  if (size < 0) return FailRead(errno, file);
  // A target that fills the buffer may have been cut.
  if (static_cast<size_t>(size) == target.size())
    return Fail(Code::kInvalidArgument, fmt::format("the peer's {} is too long a path", file));
  return std::string(target.data(), static_cast<size_t>(size));
}

Result<ProcStat> ProcDir::Stat() const {
  ASSIGN_OR_RETURN(const std::string text, Read("stat", kStatLimit), "look at the peer");
  const auto stat = ParseProcStat(text);
  if (!stat) return Fail(Code::kInternal, "/proc/<pid>/stat has another form than proc(5) says");
  return *stat;
}

Result<UniqueFd> ProcDir::OpenExecutable() const { return OpenAt("exe", O_PATH); }

}  // namespace lodekey::platform
