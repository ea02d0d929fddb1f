#include "platform/mounts.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

constexpr size_t kMountinfoLimit = size_t{4} << 20;  // bytes

std::string_view NextField(std::string_view& rest, char end = ' ') {
  const size_t size = std::min(rest.find(end), rest.size());
  const std::string_view field = rest.substr(0, size);
  rest.remove_prefix(std::min(size + 1, rest.size()));
  return field;
}

template <class Number>
bool ReadNumber(std::string_view text, Number& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size();
}

// Space, tab, newline and backslash are written as three octal digits.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '\\' && text.size() - i > 3 &&
        std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::optional<Mount> ParseLine(std::string_view line) {
  Mount mount;
  if (!ReadNumber(NextField(line), mount.id)) return {};
  NextField(line);  // parent
  std::string_view device = NextField(line);
  unsigned major_number = 0;
  unsigned minor_number = 0;
  if (!ReadNumber(NextField(device, ':'), major_number) || !ReadNumber(device, minor_number))
    return {};
  mount.device = makedev(major_number, minor_number);
  NextField(line);  // root
  mount.point = Unescape(NextField(line));
  NextField(line);  // options
  // Then any number of fields up to a lone hyphen.
  while (!line.empty() && NextField(line) != "-") continue;
  mount.type = NextField(line);
  if (!mount.point.starts_with('/') || mount.type.empty()) return {};
  return mount;
}

bool IsWithin(std::string_view path, std::string_view point) {
  if (point == "/") return path.starts_with('/');
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

}  // namespace

Result<Mounts> Mounts::Parse(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  while (!mountinfo.empty()) {
    auto mount = ParseLine(NextField(mountinfo, '\n'));
    if (!mount)
      return Fail(Code::kInternal, "/proc/<pid>/mountinfo has another form than proc(5) says");
    mounts.push_back(*std::move(mount));
  }
  return Mounts(std::move(mounts));
}

Result<Mounts> Mounts::Of(const ProcDir& process) {
  ASSIGN_OR_RETURN(const std::string text, process.Read("mountinfo", kMountinfoLimit), "mounts");
  return Parse(text);
}

const Mount* Mounts::Find(uint64_t id) const {
  const auto found = std::ranges::find(mounts_, id, &Mount::id);
  return found == mounts_.end() ? nullptr : &*found;
}

std::vector<const Mount*> Mounts::Covering(std::string_view path) const {
  std::vector<const Mount*> covering;
  for (const Mount& mount : mounts_) {
    if (!IsWithin(path, mount.point)) continue;
    const auto known = std::ranges::find(covering, mount.point, &Mount::point);
    if (known == covering.end())
      covering.push_back(&mount);
    else
      *known = &mount;
  }
  // Each is a prefix of the path, so the longer is the inner.
  std::ranges::sort(covering, {}, [](const Mount* mount) { return mount->point.size(); });
  return covering;
}

bool IsServedByKernel(std::string_view type) {
  constexpr std::array kTypes = std::to_array<std::string_view>(
      {"bcachefs", "btrfs", "cramfs",   "erofs", "exfat",  "ext2",  "ext3",    "ext4",  "f2fs",
       "iso9660",  "jffs2", "jfs",      "msdos", "nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs",
       "rootfs",   "romfs", "squashfs", "tmpfs", "ubifs",  "udf",   "vfat",    "xfs",   "zfs"});
  return std::ranges::find(kTypes, type) != kTypes.end();
}

Result<uint64_t> ReadMountId(int fd) {
  struct statx status = {};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) != 0)
    return FailErrno(errno, "cannot find a file's mount");
  if ((status.stx_mask & STATX_MNT_ID) == 0)
    return Fail(Code::kUnavailable, "the kernel does not tell a file's mount (before Linux 5.8)");
  return status.stx_mnt_id;
}

}  // namespace lodekey::platform
