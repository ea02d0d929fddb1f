#include "agent/executable.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "platform/errno_error.h"
#include "platform/escape.h"
#include "platform/process_snapshot.h"

namespace lodekey::agent {
namespace {

using platform::Mount;
using platform::Mounts;
using platform::ProcDir;
using platform::UniqueFd;

// What is looked up in the kernel's memory alone fails when another process changes a name or a
// mount at that moment.
constexpr int kTries = 64;

// Opens what resolves without a symlink, and without asking a file system. All names of a file that
// runs are in the kernel's memory as long as it runs; a FUSE mount that was put in the way after
// the mounts were read is not waited for.
UniqueFd OpenCached(const std::string& path) {
  const open_how how = {
      .flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_CACHED};
  for (int i = 0; i < kTries; ++i) {
    UniqueFd file(
        static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof(how))));
    if (file.valid() || errno != EAGAIN) return file;
  }
  return {};
}

// The mount of all anonymous memory is the kernel's own and in no namespace. Its number cannot be
// had otherwise, while the name "/memfd:" can.
bool IsAnonymousMemory(uint64_t mount) {
  const UniqueFd memory(::memfd_create("lodekey", MFD_CLOEXEC));
  if (!memory.valid()) return false;
  const auto its = platform::ReadMountId(memory.get());
  return its && *its == mount;
}

}  // namespace

Result<Executable> Executable::Open(const ProcDir& process) {
  ASSIGN_OR_RETURN(UniqueFd file, process.OpenExecutable(), "executable");
  ASSIGN_OR_RETURN(platform::FileId id, platform::ReadExecutableId(file), "executable");
  Executable executable(std::move(file), std::move(id));
  if (auto judged = executable.Judge(process); !judged) {
    if (judged.error().code == Code::kUntrusted) return std::unexpected(std::move(judged.error()));
    executable.refusal_ = std::move(judged.error().text);
  }
  return executable;
}

Result<void> Executable::Judge(const ProcDir& process) {
  ASSIGN_OR_RETURN(const uint64_t id, platform::ReadMountId(file_.get()), "mount");
  if (IsAnonymousMemory(id)) return {};
  ASSIGN_OR_RETURN(const ProcDir self, ProcDir::OpenOwn(), "mounts");
  ASSIGN_OR_RETURN(mounts_, Mounts::Of(self), "mounts");
  // Each namespace has mounts of its own, of the same file systems: those of this process (systemd
  // gives it a namespace) are found by their device.
  const Mount* mount = mounts_.Find(id);
  Mounts theirs;
  if (mount == nullptr) {
    ASSIGN_OR_RETURN(theirs, Mounts::Of(process), "mounts");
    mount = theirs.Find(id);
  }
  if (mount == nullptr) {
    refusal_ = "its mount is neither in the agent's mount namespace nor in its own";
  } else if (!platform::IsServedByKernel(mount->type)) {
    refusal_ = fmt::format("its file system ({}) is not served by this host's kernel itself",
                           platform::EscapeControl(mount->type));
  } else if (std::ranges::count(mounts_.all(), mount->device, &Mount::device) == 0) {
    refusal_ = fmt::format(
        "its file system ({}) is mounted in another mount namespace, not in the agent's",
        platform::EscapeControl(mount->type));
  } else {
    device_ = mount->device;
  }
  return {};
}

bool Executable::IsAt(const std::string& path) const {
  const auto covering = mounts_.Covering(path);
  if (covering.empty() || covering.back()->device != device_) return false;
  if (!std::ranges::all_of(
          covering, [](const Mount* mount) { return platform::IsServedByKernel(mount->type); }))
    return false;
  const UniqueFd file = OpenCached(path);
  if (!file.valid()) return false;
  auto id = platform::ReadFileId(file.get());
  if (!id) return false;
  id->mount = id_.mount;  // another mount of one file system shows the same file
  return *id == id_;
}

Result<UniqueFd> Executable::Read() const {
  // Of the very file, whatever the process executes by now.
  const std::string self = fmt::format("/proc/self/fd/{}", file_.get());
  UniqueFd file(::open(self.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) return platform::FailErrno(errno, "cannot read the executable");
  return file;
}

}  // namespace lodekey::agent
