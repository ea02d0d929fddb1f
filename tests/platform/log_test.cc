#include "platform/log.h"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include "platform/file.h"
#include "tests/platform/connection.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Runs `work` in a child whose stderr is a file, and returns what was written there.
template <class Work>
std::string StderrOf(Work work) {
  const ScratchDir scratch;
  const std::string path = scratch / "stderr";
  const int status = RunInChild([&] {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDERR_FILENO);
    work();
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
  return ReadTextFile(path).value_or("unreadable");
}

// Sets JOURNAL_STREAM to the identity of stderr, as systemd does for a service.
void PretendToBeAService() {
  struct stat status = {};
  ::fstat(STDERR_FILENO, &status);
  const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
}

TEST(LogLevel, IsReadByName) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(LogLevelName(level)), level);
  }
  for (const char* text : {"", "INFO", "warn", "trace"}) EXPECT_FALSE(ParseLogLevel(text)) << text;
}

TEST(LogLine, HasTimeAndLevelForPeopleAndAPriorityForTheJournal) {
  const Time time = *ParseTime("2026-01-31T09:30:00.250Z");
  EXPECT_EQ(FormatLogLine(LogStyle::kHuman, LogLevel::kWarning, time, "TPM is busy"),
            "2026-01-31T09:30:00.250Z warning TPM is busy");
  EXPECT_EQ(FormatLogLine(LogStyle::kJournal, LogLevel::kError, time, "failed"), "<3>failed");
  EXPECT_EQ(FormatLogLine(LogStyle::kJournal, LogLevel::kDebug, time, "x"), "<7>x");
}

TEST(LogLine, CannotBeForgedByWhatItQuotes) {
  EXPECT_EQ(FormatLogLine(LogStyle::kJournal, LogLevel::kInfo, Time(), "peer said a\n<0>b\x1b[2J"),
            "<6>peer said a\\n<0>b\\x1b[2J");
}

TEST(LogEvent, IsWrittenAsKeysAndValues) {
  const LogField fields[] = {{"node", "abc"}, {"why", "too old"}, {"empty", ""}, {"path", "a\\b"}};
  EXPECT_EQ(FormatLogEvent("refused", fields),
            "refused node=abc why=\"too old\" empty=\"\" path=\"a\\\\b\"");
}

TEST(LogEvent, QuotesValuesThatLookLikeMoreFields) {
  const LogField fields[] = {{"name", "x admin=true"}, {"other", "a\" b=\"c"}, {"eq", "a=b"}};
  EXPECT_EQ(FormatLogEvent("event", fields),
            "event name=\"x admin=true\" other=\"a\\\" b=\\\"c\" eq=\"a=b\"");
}

TEST(Log, WritesLinesForPeopleToStderr) {
  const std::string written = StderrOf([] {
    ::unsetenv("JOURNAL_STREAM");
    InitLog(LogLevel::kInfo);
    spdlog::debug("hidden");
    spdlog::info("shown {}", 1);
    LogEvent(LogLevel::kDebug, "hidden event");
    LogEvent(LogLevel::kError, "refused", {{"node", "a\nb"}});
  });
  EXPECT_THAT(written, testing::MatchesRegex("[-0-9T:.]+Z info shown 1\n[-0-9T:.]+Z error refused "
                                             "node=a\\\\nb\n"));
}

TEST(Log, ShowsMoreAtALowerLevel) {
  const std::string written = StderrOf([] {
    InitLog(LogLevel::kError);
    spdlog::warn("hidden");
    InitLog(LogLevel::kDebug);
    spdlog::debug("shown");
  });
  EXPECT_THAT(written, AllOf(HasSubstr("debug shown"), Not(HasSubstr("hidden"))));
}

TEST(Log, PrefixesPrioritiesWhenStderrIsTheJournal) {
  const std::string written = StderrOf([] {
    PretendToBeAService();
    InitLog(LogLevel::kInfo);
    spdlog::warn("careful");
  });
  EXPECT_EQ(written, "<4>careful\n");
}

TEST(Log, DoesNotMistakeAnInheritedVariableForTheJournal) {
  const std::string written = StderrOf([] {
    ::setenv("JOURNAL_STREAM", "1:1", 1);
    EXPECT_EQ(DetectLogStyle(), LogStyle::kHuman);
    InitLog(LogLevel::kInfo);
    spdlog::info("here");
  });
  EXPECT_THAT(written, HasSubstr("info here"));
}

TEST(Log, SendsTheFactsOfAnEventToJournald) {
  const int status = RunInChild([] {
    // A journald of the test's own, in a mount namespace where its place is free.
    if (!EnterPrivateMounts() || !MountTmpfs("/run", "size=64k")) return kChildNotPermitted;
    std::filesystem::create_directories("/run/systemd/journal");
    const UniqueFd journald = UnixSocket(SOCK_DGRAM);
    if (!Bind(journald, "/run/systemd/journal/socket")) return kChildNotPermitted;
    PretendToBeAService();
    InitLog(LogLevel::kInfo);
    LogEvent(LogLevel::kWarning, "refused", {{"node_id", "x\nMESSAGE=forged"}},
             "0123456789abcdef0123456789abcdef");
    char text[4096] = {};
    const ssize_t size = ::recv(journald.get(), text, sizeof(text), MSG_DONTWAIT);
    const std::string heard(text, size < 0 ? 0 : static_cast<size_t>(size));
    EXPECT_THAT(heard, HasSubstr("MESSAGE=refused node_id=\"x\\nMESSAGE=forged\"\n"
                                 "PRIORITY=4\n"
                                 "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"
                                 "LODEKEY_NODE_ID=x\\nMESSAGE=forged\n"));
    EXPECT_THAT(heard, Not(HasSubstr("\nMESSAGE=forged")));
    return kChildPassed;
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "needs root for a mount namespace";
  EXPECT_EQ(status, kChildPassed);
}

}  // namespace
}  // namespace lodekey::platform
