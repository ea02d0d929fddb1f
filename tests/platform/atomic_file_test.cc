#include <csignal>
#include <sys/resource.h>
#include <thread>

#include "platform/file.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

Result<void> Write(const std::string& path, const std::string& content, mode_t mode = 0600) {
  return WriteFileAtomically(path, AsBytes(content), mode);
}

TEST(WriteFileAtomically, MakesAndReplacesWithExactlyTheMode) {
  const ScratchDir scratch;
  const mode_t before = ::umask(077);
  EXPECT_TRUE(Write(scratch / "f", "one", 0600));
  EXPECT_EQ(ReadTextFile(scratch / "f"), "one");
  EXPECT_TRUE(Write(scratch / "f", "two", 0644));
  ::umask(before);
  EXPECT_EQ(ReadTextFile(scratch / "f"), "two");
  struct stat status = {};
  ASSERT_EQ(::stat((scratch / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644u);
  EXPECT_EQ(scratch.CountEntries(), 1u);
}

TEST(WriteFileAtomically, WritesEmptyAndLargeContent) {
  const ScratchDir scratch;
  EXPECT_TRUE(Write(scratch / "f", ""));
  EXPECT_EQ(ReadTextFile(scratch / "f"), "");
  const std::string large(1 << 20, 'x');
  EXPECT_TRUE(Write(scratch / "f", large));
  EXPECT_EQ(ReadTextFile(scratch / "f"), large);
}

TEST(WriteFileAtomically, AcceptsRelativePathsAndLongNames) {
  const ScratchDir scratch;
  EXPECT_TRUE(Write(scratch / std::string(255, 'n'), "x"));
  const int status = RunInChild([&] {
    if (::chdir(scratch.path().c_str()) != 0) return kChildFailed;
    EXPECT_TRUE(Write("relative", "x"));
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
  EXPECT_EQ(ReadTextFile(scratch / "relative"), "x");
}

TEST(WriteFileAtomically, ReplacesASymlinkInsteadOfFollowingIt) {
  const ScratchDir scratch;
  const std::string target = scratch.Write("target", "untouched");
  ASSERT_EQ(::symlink(target.c_str(), (scratch / "f").c_str()), 0);
  EXPECT_TRUE(Write(scratch / "f", "new"));
  EXPECT_EQ(ReadTextFile(target), "untouched");
  EXPECT_FALSE(std::filesystem::is_symlink(scratch / "f"));
}

TEST(WriteFileAtomically, FailsWithoutADirectoryOrAName) {
  const ScratchDir scratch;
  EXPECT_EQ(Write(scratch / "none/f", "x").error().code, Code::kNotFound);
  EXPECT_EQ(Write(scratch.path() + "/", "x").error().code, Code::kInvalidArgument);
  ASSERT_TRUE(MakeDirectory(scratch / "d", 0700));
  EXPECT_FALSE(Write(scratch / "d", "x")) << "a directory is not replaced";
  EXPECT_EQ(scratch.CountEntries(), 1u) << "and no temporary file is left";
}

TEST(WriteFileAtomically, KeepsTheOldContentOnAFullDisk) {
  const ScratchDir scratch;
  const int status = RunInChild([&] {
    if (!EnterPrivateMounts() || !MountTmpfs(scratch.path(), "size=64k")) {
      return kChildNotPermitted;
    }
    EXPECT_TRUE(Write(scratch / "f", "old"));
    const auto failed = Write(scratch / "f", std::string(100000, 'x'));
    EXPECT_FALSE(failed);
    EXPECT_EQ(failed.error().Name(), "disk-full");
    EXPECT_EQ(failed.error().code, Code::kHardware);
    EXPECT_EQ(ReadTextFile(scratch / "f"), "old");
    EXPECT_EQ(scratch.CountEntries(), 1u);
    EXPECT_TRUE(Write(scratch / "f", std::string(30000, 'y'))) << "the space was given back";
    return kChildPassed;
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "needs root for a mount namespace";
  EXPECT_EQ(status, kChildPassed);
}

TEST(WriteFileAtomically, KeepsTheOldContentWhenAWriteIsTorn) {
  const ScratchDir scratch;
  ASSERT_TRUE(Write(scratch / "f", "old"));
  const int status = RunInChild([&] {
    // The kernel cuts the write at the limit; the rest fails with EFBIG.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kChildFailed;
    const auto failed = Write(scratch / "f", std::string(10000, 'x'));
    return failed ? kChildFailed : kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
  EXPECT_EQ(ReadTextFile(scratch / "f"), "old");
  EXPECT_EQ(scratch.CountEntries(), 1u);
}

TEST(WriteFileAtomically, ShowsReadersTheOldOrTheNewAndNothingBetween) {
  const ScratchDir scratch;
  const std::string a(50000, 'a');
  const std::string b(30000, 'b');
  ASSERT_TRUE(Write(scratch / "f", a));
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(Write(scratch / "f", i % 2 == 0 ? b : a));
  });
  for (int i = 0; i < 200; ++i) {
    const auto seen = ReadTextFile(scratch / "f");
    EXPECT_TRUE(seen && (*seen == a || *seen == b));
  }
  writer.join();
}

TEST(WriteFileAtomically, LeavesNoTemporaryFileWhenItsProcessIsKilled) {
  const ScratchDir scratch;
  ASSERT_TRUE(Write(scratch / "f", "old"));
  const int status = RunInChild([&] {
    const rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kChildFailed;
    ::signal(SIGXFSZ, SIG_DFL);  // the torn write now kills
    (void)Write(scratch / "f", std::string(10000, 'x'));
    return kChildFailed;
  });
  EXPECT_EQ(status, -1) << "ended by a signal";
  EXPECT_EQ(ReadTextFile(scratch / "f"), "old");
  if (scratch.CountEntries() != 1) GTEST_SKIP() << "this file system has no O_TMPFILE";
}

}  // namespace
}  // namespace lodekey::platform
