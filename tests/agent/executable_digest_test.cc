#include "agent/executable_digest.h"

#include <fcntl.h>
#include <fstream>
#include <functional>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <thread>

#include <gtest/gtest.h>

#include "tests/platform/scratch.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using platform::ScratchDir;
using platform::UniqueFd;
using test::Must;

// An hour from now everything that was written has settled.
Time Later() { return platform::Now() + std::chrono::hours(1); }

// Stands in the build tree's file system, which is one of those whose word is taken, or the test is
// of nothing.
class ExecutableDigestTest : public testing::Test {
 protected:
  void Write(const std::string& content) { std::ofstream(path_) << content; }
  std::optional<crypto::Sha256Digest> Digest() {
    const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    return Must(digests_.Of(file));
  }
  // Until the clock by which the kernel stamps files has moved on.
  void WaitForTick() {
    const std::string probe = scratch_ / "probe";
    const auto stamp = [&] {
      std::ofstream(probe) << "x";
      struct stat status = {};
      ::stat(probe.c_str(), &status);
      return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    };
    const auto first = stamp();
    while (stamp() == first) std::this_thread::yield();
  }
  bool CanCache() const {
    struct statfs status = {};
    ::statfs(scratch_.path().c_str(), &status);
    return status.f_type == EXT4_SUPER_MAGIC || status.f_type == XFS_SUPER_MAGIC ||
           status.f_type == BTRFS_SUPER_MAGIC;
  }

  ScratchDir scratch_;
  std::string path_ = scratch_ / "program";
  ExecutableDigests digests_{16, Later};
};

TEST_F(ExecutableDigestTest, IsTheSha256OfTheFile) {
  Write("program");
  EXPECT_EQ(Digest(), crypto::Sha256(AsBytes("program")));
  Write("");
  EXPECT_EQ(Digest(), crypto::Sha256(ByteView()));
}

TEST_F(ExecutableDigestTest, IsTakenOnceWhileNothingChanges) {
  if (!CanCache()) GTEST_SKIP() << "the scratch directory is on no file system that is believed";
  Write("program");
  Digest();
  const uint64_t once = digests_.hashed();
  EXPECT_EQ(Digest(), crypto::Sha256(AsBytes("program")));
  EXPECT_EQ(digests_.hashed(), once);
}

TEST_F(ExecutableDigestTest, IsNotKeptOfAFileThatHasJustChanged) {
  ExecutableDigests digests(16);
  Write("program");
  const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  Must(digests.Of(file));
  const uint64_t once = digests.hashed();
  Must(digests.Of(file));
  EXPECT_EQ(digests.hashed(), 2 * once) << "a change within the same tick would show nowhere";
}

TEST_F(ExecutableDigestTest, FollowsARewriteWhoseTimeOfModificationWasSetBack) {
  Write("program");
  struct stat before = {};
  ASSERT_EQ(::stat(path_.c_str(), &before), 0);
  Digest();
  WaitForTick();
  Write("prOgram");
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  EXPECT_EQ(Digest(), crypto::Sha256(AsBytes("prOgram")));
}

TEST_F(ExecutableDigestTest, FollowsAWriteThroughAMappingThatWasDirtyAlready) {
  Write("program");
  const UniqueFd file(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  void* mapped = ::mmap(nullptr, 7, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* bytes = static_cast<volatile char*>(mapped);
  bytes[0] = 'P';
  WaitForTick();
  EXPECT_EQ(Digest(), crypto::Sha256(AsBytes("Program")));
  WaitForTick();
  bytes[0] = 'p';
  EXPECT_EQ(Digest(), crypto::Sha256(AsBytes("program")));
  ::munmap(mapped, 7);
}

TEST_F(ExecutableDigestTest, FollowsAFileThatTookAnothersPlace) {
  Write("program");
  Digest();
  std::ofstream(scratch_ / "other") << "another";
  ASSERT_EQ(::rename((scratch_ / "other").c_str(), path_.c_str()), 0);
  EXPECT_EQ(Digest(), crypto::Sha256(AsBytes("another")));
}

TEST_F(ExecutableDigestTest, IsOfTheOpenFileThoughItWasDeleted) {
  Write("program");
  const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_EQ(Must(digests_.Of(file)), crypto::Sha256(AsBytes("program")));
}

TEST_F(ExecutableDigestTest, ForgetsTheLeastUsedWhenThereAreTooMany) {
  if (!CanCache()) GTEST_SKIP() << "the scratch directory is on no file system that is believed";
  ExecutableDigests digests(2, Later);
  std::vector<UniqueFd> files;
  for (const char* name : {"a", "b", "c"}) {
    std::ofstream(scratch_ / name) << "12345678";
    files.emplace_back(::open((scratch_ / name).c_str(), O_RDONLY | O_CLOEXEC));
    Must(digests.Of(files.back()));
  }
  EXPECT_EQ(digests.hashed(), 24u);
  Must(digests.Of(files[2]));
  Must(digests.Of(files[1]));
  EXPECT_EQ(digests.hashed(), 24u) << "the last two are kept";
  Must(digests.Of(files[0]));
  EXPECT_EQ(digests.hashed(), 32u) << "the first was forgotten";
}

TEST_F(ExecutableDigestTest, IsTakenOnceThoughManyAskAtOnce) {
  if (!CanCache()) GTEST_SKIP() << "the scratch directory is on no file system that is believed";
  Write(std::string(1 << 20, 'x'));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { Digest(); });
  threads.clear();
  EXPECT_EQ(digests_.hashed(), uint64_t{1} << 20);
}

TEST_F(ExecutableDigestTest, IsTakenByTheNextWhenOneRanOutOfMemory) {
  int asked = 0;
  ExecutableDigests digests(16, [&] {
    if (++asked == 1) throw std::bad_alloc();
    return Later();
  });
  if (!CanCache()) GTEST_SKIP() << "the scratch directory is on no file system that is believed";
  Write("program");
  const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THROW(static_cast<void>(digests.Of(file)), std::bad_alloc);
  EXPECT_EQ(Must(digests.Of(file)), crypto::Sha256(AsBytes("program")));
}

TEST(ExecutableDigest, IsTakenEachTimeFromMemory) {
  const UniqueFd memory(::memfd_create("program", MFD_CLOEXEC));
  ASSERT_EQ(::write(memory.get(), "program", 7), 7);
  ExecutableDigests digests(16, Later);
  EXPECT_EQ(Must(digests.Of(memory)), crypto::Sha256(AsBytes("program")));
  EXPECT_EQ(Must(digests.Of(memory)), crypto::Sha256(AsBytes("program")));
  EXPECT_EQ(digests.hashed(), 14u);
}

// Within one tick of the kernel's clock, and with the time of modification set back.
void ExpectFollowsEveryRewrite(const std::string& path) {
  ExecutableDigests digests(16, Later);
  for (const std::string content : {"program", "prOgram", "pROgram"}) {
    struct stat before = {};
    const bool existed = ::stat(path.c_str(), &before) == 0;
    std::ofstream(path) << content;
    const timespec times[2] = {before.st_atim, before.st_mtim};
    if (existed) {
      ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    }
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(Must(digests.Of(file)), crypto::Sha256(AsBytes(content)));
  }
  EXPECT_EQ(digests.hashed(), 3 * 7u) << "each time";
}

// In a mount namespace of its own, which ends with the thread that is in it.
void InOwnMountNamespace(const std::function<void()>& act) {
  std::string skipped;
  std::thread([&] {
    if (::unshare(CLONE_NEWNS | CLONE_FS) != 0 ||
        ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      skipped = "needs a mount namespace of its own";
      return;
    }
    act();
  }).join();
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}

TEST(ExecutableDigest, FollowsEveryRewriteOnTmpfs) {
  const ScratchDir scratch;
  InOwnMountNamespace([&] {
    ASSERT_EQ(::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, nullptr), 0);
    ExpectFollowsEveryRewrite(scratch / "program");
  });
}

TEST(ExecutableDigest, FollowsEveryRewriteOnAnOverlay) {
  const ScratchDir scratch;
  InOwnMountNamespace([&] {
    ASSERT_EQ(::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, nullptr), 0);
    for (const char* directory : {"lower", "upper", "work", "merged"})
      ASSERT_EQ(::mkdir((scratch / directory).c_str(), 0755), 0);
    const std::string options = "lowerdir=" + (scratch / "lower") +
                                ",upperdir=" + (scratch / "upper") +
                                ",workdir=" + (scratch / "work");
    ASSERT_EQ(::mount("overlay", (scratch / "merged").c_str(), "overlay", 0, options.c_str()), 0);
    ExpectFollowsEveryRewrite(scratch / "merged/program");
  });
}

TEST(ExecutableDigest, IsOfRegularFilesAlone) {
  ExecutableDigests digests;
  EXPECT_FALSE(digests.Of(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
  EXPECT_FALSE(digests.Of(UniqueFd(::open("/", O_RDONLY | O_CLOEXEC))));
  EXPECT_FALSE(digests.Of(UniqueFd()));
}

TEST(ExecutableDigest, IsNotGivenOfWhatIsTooLarge) {
  const UniqueFd memory(::memfd_create("program", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), static_cast<off_t>(kMaxExecutable) + 1), 0);
  ExecutableDigests digests;
  EXPECT_EQ(Must(digests.Of(memory)), std::nullopt);
  EXPECT_EQ(digests.hashed(), 0u);
}

}  // namespace
}  // namespace lodekey::agent
