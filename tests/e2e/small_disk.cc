#include "tests/e2e/small_disk.h"

#include <filesystem>
#include <sched.h>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/statfs.h>

#include <fmt/format.h>

#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

constexpr size_t kRoomEnough = 4096;  // blocks

std::string SizeOption(size_t blocks) { return fmt::format("mode=0700,size={}k", 4 * blocks); }

}  // namespace

bool EnterPrivateMounts() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

SmallDisk::SmallDisk(std::string path) : path_(std::move(path)) {
  std::filesystem::create_directories(path_);
  if (mount("tmpfs", path_.c_str(), "tmpfs", 0, SizeOption(kRoomEnough).c_str()) != 0)
    throw std::runtime_error("cannot mount a tmpfs at " + path_);
  // A tmpfs of size 0 has no limit: one block is always used.
  Must(WriteText(path_ + "/used", "x"));
}

SmallDisk::~SmallDisk() { umount2(path_.c_str(), MNT_DETACH); }

void SmallDisk::Fill(size_t blocks) const {
  struct statfs disk{};
  if (statfs(path_.c_str(), &disk) != 0) throw std::runtime_error("cannot look at " + path_);
  Resize(disk.f_blocks - disk.f_bfree + blocks);
}

void SmallDisk::Free() const { Resize(kRoomEnough); }

void SmallDisk::Resize(size_t blocks) const {
  if (mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, SizeOption(blocks).c_str()) != 0)
    throw std::runtime_error("cannot resize the disk at " + path_);
}

}  // namespace lodekey::test
