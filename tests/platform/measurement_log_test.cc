#include "platform/measurement_log.h"

#include "platform/file.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

Bytes Chunk(const std::string& path, uint64_t offset, size_t max_bytes) {
  const auto chunk = ReadImaLog(path, offset, max_bytes);
  EXPECT_TRUE(chunk && *chunk);
  return chunk && *chunk ? **chunk : Bytes();
}

TEST(BootLog, IsReadWhole) {
  const ScratchDir scratch;
  const std::string content(100000, 'e');
  const auto log = ReadBootLog(scratch.Write("log", content));
  ASSERT_TRUE(log && *log);
  EXPECT_EQ(AsText(**log), content);
}

TEST(BootLog, IsNothingOnAHostWithoutOne) {
  const ScratchDir scratch;
  const auto log = ReadBootLog(scratch / "none");
  ASSERT_TRUE(log);
  EXPECT_FALSE(*log);
}

TEST(BootLog, IsRefusedAboveAMebibyte) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("log", std::string(kBootLogLimit, 'e'));
  EXPECT_TRUE(ReadBootLog(path));
  scratch.Write("log", std::string(kBootLogLimit + 1, 'e'));
  EXPECT_EQ(ReadBootLog(path).error().Name(), "file-too-large");
}

TEST(BootLog, SaysWhichPrivilegeIsMissing) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("log", "x", 0000);
  ::chmod(scratch.path().c_str(), 0755);
  const int status = RunInChild([&] {
    if (!BecomeUnprivileged()) return kChildNotPermitted;
    const auto log = ReadBootLog(path);
    if (log) return kChildFailed;
    EXPECT_EQ(log.error().Name(), "file-permission");
    EXPECT_NE(log.error().advice.find("CAP_DAC_READ_SEARCH"), std::string::npos);
    EXPECT_FALSE(ReadImaLog(path, 0, 10)) << "forbidden is not absent";
    return kChildPassed;
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "may not become another user";
  EXPECT_EQ(status, kChildPassed);
}

TEST(ImaLog, IsReadInChunksFromAnOffset) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("ima", "0123456789");
  EXPECT_EQ(Chunk(path, 0, 4), ToBytes("0123"));
  EXPECT_EQ(Chunk(path, 4, 4), ToBytes("4567"));
  EXPECT_EQ(Chunk(path, 8, 4), ToBytes("89"));
  EXPECT_EQ(Chunk(path, 10, 4), Bytes());
  EXPECT_EQ(Chunk(path, 11, 4), Bytes());
  EXPECT_EQ(Chunk(path, 0, 0), Bytes());
}

TEST(ImaLog, GivesNothingAtAnAbsurdOffset) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("ima", "0123456789");
  EXPECT_EQ(Chunk(path, UINT64_MAX, 4), Bytes());
  EXPECT_EQ(Chunk(path, INT64_MAX, 4), Bytes());
}

TEST(ImaLog, IsNothingOnAKernelWithoutIma) {
  const ScratchDir scratch;
  const auto chunk = ReadImaLog(scratch / "none", 0, 10);
  ASSERT_TRUE(chunk);
  EXPECT_FALSE(*chunk);
}

TEST(ImaLog, SeeksInSeqFilesOfTheKernel) {
  // The same kind of pseudo file as the list in securityfs: no size, made while it is read.
  const std::string path = "/proc/devices";
  const auto whole = ReadFile(path, 1 << 20);
  ASSERT_TRUE(whole);
  ASSERT_GT(whole->size(), 20u);
  EXPECT_EQ(Chunk(path, 7, 1 << 20), Bytes(whole->begin() + 7, whole->end()));
  EXPECT_EQ(Chunk(path, 7, 5), Bytes(whole->begin() + 7, whole->begin() + 12));
  EXPECT_EQ(Chunk(path, whole->size(), 5), Bytes());
  EXPECT_EQ(Chunk(path, whole->size() + 1000, 5), Bytes());
}

}  // namespace
}  // namespace lodekey::platform
