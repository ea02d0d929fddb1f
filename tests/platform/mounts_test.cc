#include "platform/mounts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

constexpr std::string_view kTable =
    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "40 27 0:30 / /home rw - autofs systemd-1 rw\n"
    "41 40 0:31 /sub /home rw,nosuid shared:2 master:1 - fuse.sshfs a:b rw\n"
    "42 27 0:32 / /mnt/a\\040b\\134c rw - tmpfs none rw\n";

std::vector<uint64_t> Ids(const std::vector<const Mount*>& mounts) {
  std::vector<uint64_t> ids;
  for (const Mount* mount : mounts) ids.push_back(mount->id);
  return ids;
}

TEST(Mounts, AreReadWithTheirDeviceAndType) {
  const auto mounts = Mounts::Parse(kTable);
  ASSERT_TRUE(mounts);
  ASSERT_EQ(mounts->all().size(), 4u);
  EXPECT_EQ(*mounts->Find(41),
            (Mount{.id = 41, .device = makedev(0, 31), .point = "/home", .type = "fuse.sshfs"}));
  EXPECT_EQ(mounts->Find(42)->point, "/mnt/a b\\c");
  EXPECT_EQ(mounts->Find(1), nullptr);
}

TEST(Mounts, CoverAPathOneOverTheOther) {
  const auto mounts = Mounts::Parse(kTable);
  ASSERT_TRUE(mounts);
  EXPECT_EQ(Ids(mounts->Covering("/bin/ls")), std::vector<uint64_t>{27});
  EXPECT_EQ(Ids(mounts->Covering("/home/x")), (std::vector<uint64_t>{27, 41}));
  EXPECT_EQ(Ids(mounts->Covering("/homes/x")), std::vector<uint64_t>{27});
  EXPECT_EQ(Ids(mounts->Covering("/mnt/a b\\c")), (std::vector<uint64_t>{27, 42}));
  EXPECT_TRUE(mounts->Covering("memfd:x").empty());
}

TEST(Mounts, RefuseATableOfAnotherForm) {
  for (const char* text : {"\n", "x 1 254:0 / / rw - ext4 a rw\n", "27 1 254 / / rw - ext4 a rw\n",
                           "27 1 254:0 / / rw\n", "27 1 254:0 / bin rw - ext4 a rw\n",
                           "27 1 254:0 / / rw ext4 a rw\n", "27 1 254:0"}) {
    EXPECT_FALSE(Mounts::Parse(text)) << text;
  }
}

TEST(Mounts, HoldWhatThisProcessRunsFrom) {
  const auto self = ProcDir::OpenOwn();
  ASSERT_TRUE(self);
  const auto mounts = Mounts::Of(*self);
  ASSERT_TRUE(mounts) << mounts.error().text;
  const auto executable = self->OpenExecutable();
  ASSERT_TRUE(executable);
  const auto id = ReadMountId(executable->get());
  ASSERT_TRUE(id) << id.error().text;
  EXPECT_NE(mounts->Find(*id), nullptr);
}

TEST(Mounts, DoNotHoldAnonymousMemory) {
  const auto self = ProcDir::OpenOwn();
  ASSERT_TRUE(self);
  const auto mounts = Mounts::Of(*self);
  ASSERT_TRUE(mounts);
  const UniqueFd memory(::memfd_create("a", MFD_CLOEXEC));
  const UniqueFd other(::memfd_create("b", MFD_CLOEXEC));
  const auto id = ReadMountId(memory.get());
  ASSERT_TRUE(id);
  EXPECT_EQ(mounts->Find(*id), nullptr);
  EXPECT_EQ(ReadMountId(other.get()).value_or(0), *id);
}

TEST(Mounts, AreServedByTheKernelOnlyWhenTheirTypeIsKnown) {
  for (const char* type : {"ext4", "xfs", "btrfs", "tmpfs", "overlay"})
    EXPECT_TRUE(IsServedByKernel(type)) << type;
  for (const char* type : {"fuse", "fuseblk", "fuse.sshfs", "nfs", "nfs4", "cifs", "9p", "ceph",
                           "autofs", "virtiofs", ""})
    EXPECT_FALSE(IsServedByKernel(type)) << type;
}

}  // namespace
}  // namespace lodekey::platform
