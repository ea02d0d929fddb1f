#include "issuer/audit_log.h"

#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::AuditKey;
using test::Must;
using test::Overwrite;
using test::ReadText;

// Makes files of this process end at `bytes`, as a full disk would, until it is destroyed.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_ = {};
};

class AuditLogTest : public ::testing::Test {
 protected:
  // Appends `count` lines at once.
  Result<void> Append(AuditLog& log, unsigned count, const std::string& record = R"({"a":1})") {
    crypto::ChainHead head = log.head();
    std::string lines;
    for (unsigned i = 0; i < count; ++i) {
      lines += crypto::FormatChainLine(head, record, log.key(), head);
    }
    return log.Append(lines, head);
  }

  Result<std::unique_ptr<AuditLog>> Open() { return AuditLog::Open(path_, AuditKey()); }

  // A log of three lines.
  std::string MakeLog() {
    Must(Append(*Must(Open()), 3));
    return ReadText(path_);
  }

  void ExpectRefused(std::string_view name, Code code) {
    const std::string before = ReadText(path_);
    const auto log = Open();
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().Name(), name) << log.error().text;
    EXPECT_EQ(log.error().code, code);
    EXPECT_FALSE(log.error().advice.empty());
    EXPECT_EQ(ReadText(path_), before) << "what is refused is not changed";
  }

  test::ScratchDirectory directory_;
  std::string path_ = directory_.path() + "/audit.log";
};

TEST_F(AuditLogTest, BeginsEmptyAndReadableByItsGroupAlone) {
  const auto log = Must(Open());
  EXPECT_EQ(log->head(), crypto::ChainHead());
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137, 0U);
}

TEST_F(AuditLogTest, FindsItsHeadAgain) {
  crypto::ChainHead head;
  {
    const auto log = Must(Open());
    Must(Append(*log, 2));
    Must(Append(*log, 1));
    head = log->head();
  }
  EXPECT_EQ(head.seq, 3U);
  EXPECT_EQ(Must(Open())->head(), head);
  EXPECT_EQ(test::VerifiedLines(path_).size(), 3U);
}

TEST_F(AuditLogTest, FindsItsHeadBehindTheLongestLine) {
  const std::string longest = R"({"a":")" + std::string(65000, 'x') + R"("})";
  {
    const auto log = Must(Open());
    Must(Append(*log, 3, longest));
  }
  Overwrite(path_, ReadText(path_) + ReadText(path_).substr(0, 65000));  // and a torn one
  EXPECT_EQ(Must(Open())->head().seq, 3U);
}

TEST_F(AuditLogTest, CutsATornLastLineOffWhereverItWasTorn) {
  const std::string whole = MakeLog();
  const size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (size_t size = last; size < whole.size(); ++size) {
    Overwrite(path_, whole.substr(0, size));
    ASSERT_EQ(Must(Open())->head().seq, 2U) << size;
    ASSERT_EQ(ReadText(path_), whole.substr(0, last)) << size;
  }
}

TEST_F(AuditLogTest, CutsATornFirstLineOff) {
  const std::string whole = MakeLog();
  Overwrite(path_, whole.substr(0, 40));
  EXPECT_EQ(Must(Open())->head(), crypto::ChainHead());
  EXPECT_EQ(ReadText(path_), "");
}

TEST_F(AuditLogTest, CutsZerosOffThatAPowerCutLeft) {
  const std::string whole = MakeLog();
  Overwrite(path_, whole + std::string(4096, '\0'));
  EXPECT_EQ(Must(Open())->head().seq, 3U);
  EXPECT_EQ(ReadText(path_), whole);
}

TEST_F(AuditLogTest, ContinuesAfterATornLine) {
  const std::string whole = MakeLog();
  Overwrite(path_, whole.substr(0, whole.size() - 5));
  Must(Append(*Must(Open()), 2));
  EXPECT_EQ(test::VerifiedLines(path_).size(), 4U);
}

TEST_F(AuditLogTest, IsRefusedWhenAnotherProgramWroteAtItsEnd) {
  Overwrite(path_, MakeLog() + "rotated");
  ExpectRefused("audit-corrupt", Code::kUntrusted);
}

TEST_F(AuditLogTest, IsRefusedWhenTheFileIsNoLog) {
  Overwrite(path_, "precious");
  ExpectRefused("audit-corrupt", Code::kUntrusted);
  Overwrite(path_, "\n");
  ExpectRefused("audit-corrupt", Code::kUntrusted);
  Overwrite(path_, std::string(300000, 'x'));
  ExpectRefused("audit-corrupt", Code::kUntrusted);
}

TEST_F(AuditLogTest, IsRefusedWhenAByteOfItsLastLineWasChanged) {
  const std::string whole = MakeLog();
  const size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (size_t at = last; at + 1 < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] ^= 1;
    Overwrite(path_, changed);
    const auto log = Open();
    ASSERT_FALSE(log) << at;
    ASSERT_EQ(log.error().Name(), "audit-corrupt") << at;
  }
}

TEST_F(AuditLogTest, IsRefusedUnderAnotherKey) {
  MakeLog();
  const auto log = AuditLog::Open(path_, Must(crypto::Ed25519Key::Generate()));
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().Name(), "audit-corrupt");
}

TEST_F(AuditLogTest, IsRefusedWhileAnotherOneHasIt) {
  const auto log = Must(Open());
  ExpectRefused("audit-in-use", Code::kConflict);
}

TEST_F(AuditLogTest, IsRefusedWithoutADirectoryOrThroughALink) {
  EXPECT_EQ(AuditLog::Open(directory_.path() + "/none/audit.log", AuditKey()).error().Name(),
            "audit-unavailable");
  std::filesystem::create_symlink("elsewhere", path_);
  EXPECT_EQ(Open().error().Name(), "audit-unavailable");
  EXPECT_EQ(AuditLog::Open("/dev/null", AuditKey()).error().Name(), "audit-corrupt");
}

TEST_F(AuditLogTest, IsAsBeforeWhenAnAppendFails) {
  const auto log = Must(Open());
  Must(Append(*log, 1));
  const std::string before = ReadText(path_);
  const crypto::ChainHead head = log->head();
  {
    const FileSizeLimit limit(before.size() + 100);  // in the middle of a line
    const auto appended = Append(*log, 3);
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().Name(), "audit-unavailable");
    EXPECT_EQ(appended.error().code, Code::kUnavailable);
    EXPECT_FALSE(appended.error().advice.empty());
  }
  EXPECT_EQ(ReadText(path_), before);
  EXPECT_EQ(log->head(), head);
  Must(Append(*log, 2));
  EXPECT_EQ(test::VerifiedLines(path_).size(), 3U);
}

TEST_F(AuditLogTest, IsNotWrittenToWhenSomebodyTruncatedIt) {
  const auto log = Must(Open());
  Must(Append(*log, 2));
  ASSERT_EQ(truncate(path_.c_str(), 10), 0);
  const auto appended = Append(*log, 1);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().Name(), "audit-unavailable");
  EXPECT_EQ(ReadText(path_).size(), 10U);
}

TEST_F(AuditLogTest, IsNotWrittenToWhenSomebodyRemovedIt) {
  const auto log = Must(Open());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ(Append(*log, 1).error().Name(), "audit-unavailable");
}

}  // namespace
}  // namespace lodekey::issuer
