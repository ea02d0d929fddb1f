#include "platform/file.h"

#include <csignal>

#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat status = {};
  ::lstat(path.c_str(), &status);
  return status.st_mode & 07777;
}

TEST(ReadFile, ReadsUpToItsBound) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("f", "12345");
  EXPECT_EQ(ReadFile(path, 5), ToBytes("12345"));
  const auto failed = ReadFile(path, 4);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().Name(), "file-too-large");
  EXPECT_EQ(failed.error().code, Code::kInvalidArgument);
  EXPECT_NE(failed.error().text.find(path), std::string::npos);
}

TEST(ReadFile, DoesNotBelieveTheSizeOfPseudoFiles) {
  const auto text = ReadTextFile("/proc/self/status");
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("Uid:"), std::string::npos);
  EXPECT_EQ(ReadFile("/proc/self/status", 16).error().Name(), "file-too-large");
}

TEST(ReadFile, ReadsMoreThanOneChunk) {
  const ScratchDir scratch;
  const std::string content(100001, 'x');
  EXPECT_EQ(ReadTextFile(scratch.Write("big", content)), content);
}

TEST(ReadFile, NamesWhatIsAbsent) {
  const ScratchDir scratch;
  const auto failed = ReadFile(scratch / "none", 10);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kNotFound);
  EXPECT_EQ(failed.error().Name(), "file-not-found");
  ASSERT_TRUE(failed.error().detail);
  EXPECT_EQ(failed.error().detail->number, static_cast<uint64_t>(ENOENT));
}

TEST(ReadFile, NamesWhatIsForbidden) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("secret", "x", 0000);
  ::chmod(scratch.path().c_str(), 0755);
  const int status = RunInChild([&] {
    if (!BecomeUnprivileged()) return kChildNotPermitted;
    const auto failed = ReadFile(path, 10);
    if (failed) return kChildFailed;
    EXPECT_EQ(failed.error().code, Code::kHardware);
    EXPECT_EQ(failed.error().Name(), "file-permission");
    return kChildPassed;
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "may not become another user";
  EXPECT_EQ(status, kChildPassed);
}

TEST(ReadFile, RefusesDirectoriesAndDoesNotWaitForFifos) {
  const ScratchDir scratch;
  ASSERT_EQ(::mkfifo((scratch / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(scratch / "fifo", 10).error().Name(), "file-not-regular");
  EXPECT_EQ(ReadFile(scratch.path(), 10).error().Name(), "file-not-regular");
  EXPECT_EQ(ReadFile("/dev/zero", 10).error().Name(), "file-not-regular");
}

TEST(MakeDirectory, SetsTheModeWhateverTheUmask) {
  const ScratchDir scratch;
  const mode_t before = ::umask(077);
  EXPECT_TRUE(MakeDirectory(scratch / "d", 0755));
  ::umask(before);
  EXPECT_EQ(ModeOf(scratch / "d"), 0755u);
}

TEST(MakeDirectory, AcceptsOneThatOnlyItsOwnerMayWrite) {
  const ScratchDir scratch;
  ASSERT_TRUE(MakeDirectory(scratch / "d", 0700));
  EXPECT_TRUE(MakeDirectory(scratch / "d", 0755));
  EXPECT_EQ(ModeOf(scratch / "d"), 0700u) << "left as it was";
}

TEST(MakeDirectory, RefusesOneThatOthersMayWrite) {
  const ScratchDir scratch;
  ASSERT_TRUE(MakeDirectory(scratch / "d", 0770));
  EXPECT_EQ(MakeDirectory(scratch / "d", 0700).error().Name(), "directory-unsafe");
  ::chmod((scratch / "d").c_str(), 0702);
  EXPECT_EQ(MakeDirectory(scratch / "d", 0700).error().code, Code::kDenied);
}

TEST(MakeDirectory, RefusesSymlinksFilesAndForeignOwners) {
  const ScratchDir scratch;
  ASSERT_TRUE(MakeDirectory(scratch / "d", 0700));
  ASSERT_EQ(::symlink((scratch / "d").c_str(), (scratch / "link").c_str()), 0);
  EXPECT_EQ(MakeDirectory(scratch / "link", 0700).error().Name(), "directory-unsafe");
  EXPECT_EQ(MakeDirectory(scratch.Write("file", ""), 0700).error().Name(), "directory-unsafe");
  if (::chown((scratch / "d").c_str(), 65534, 65534) != 0) return;
  EXPECT_EQ(MakeDirectory(scratch / "d", 0700).error().Name(), "directory-unsafe");
}

TEST(MakeDirectory, DoesNotMakeParents) {
  const ScratchDir scratch;
  EXPECT_EQ(MakeDirectory(scratch / "a/b", 0700).error().code, Code::kNotFound);
}

TEST(RemoveFile, RemovesAndToleratesAbsence) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("f", "x");
  EXPECT_TRUE(RemoveFile(path));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(RemoveFile(path));
  EXPECT_FALSE(RemoveFile(scratch.path())) << "a directory";
}

TEST(LockFile, IsRefusedWhileAnotherProcessHoldsIt) {
  const ScratchDir scratch;
  const std::string path = scratch / "lock";
  int ready[2] = {};
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const auto lock = LockFile(path);
    const char said = lock ? 'y' : 'n';
    if (::write(ready[1], &said, 1) != 1) ::_exit(kChildFailed);
    while (true) ::pause();
  }
  char said = 0;
  ASSERT_EQ(::read(ready[0], &said, 1), 1);
  ASSERT_EQ(said, 'y');
  const auto refused = LockFile(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Name(), "already-running");
  EXPECT_EQ(refused.error().code, Code::kConflict);

  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_TRUE(LockFile(path)) << "a lock ends with its holder";
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(LockFile, IsFreeOnceItsDescriptorCloses) {
  const ScratchDir scratch;
  {
    const auto first = LockFile(scratch / "lock");
    ASSERT_TRUE(first);
    EXPECT_EQ(LockFile(scratch / "lock").error().Name(), "already-running");
  }
  EXPECT_TRUE(LockFile(scratch / "lock"));
  EXPECT_EQ(ModeOf(scratch / "lock") & 0077, 0u);
}

TEST(LockFile, DoesNotFollowSymlinks) {
  const ScratchDir scratch;
  ASSERT_EQ(::symlink((scratch / "target").c_str(), (scratch / "lock").c_str()), 0);
  EXPECT_FALSE(LockFile(scratch / "lock"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "target"));
}

}  // namespace
}  // namespace lodekey::platform
