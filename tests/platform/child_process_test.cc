#include "platform/child_process.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/platform/scratch.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::platform {
namespace {

class ChildProcessTest : public ::testing::Test {
 protected:
  // sh, with a script.
  ChildProcess Run(const std::string& script) {
    return test::Must(ChildProcess::Start("/bin/sh", scratch_.Write("script", script + "\n")));
  }

  // What the child says on its socket until it closes it.
  static std::string Hear(const ChildProcess& child) {
    std::string heard;
    std::array<char, 512> buffer{};
    for (ssize_t size = 0; (size = read(child.socket(), buffer.data(), buffer.size())) > 0;)
      heard.append(buffer.data(), static_cast<size_t>(size));
    return heard;
  }

  ScratchDir scratch_;
};

TEST_F(ChildProcessTest, HasNothingButItsSocket) {
  ASSERT_EQ(setenv("LODEKEY_SECRET", "x", 1), 0);
  const UniqueFd leak(fcntl(STDERR_FILENO, F_DUPFD, 100));
  ASSERT_TRUE(leak.valid());
  ChildProcess child =
      Run("[ -e /proc/$$/fd/" + std::to_string(leak.get()) + " ] || echo closed >&3\n" +
          "streams=$(readlink /proc/$$/fd/0 /proc/$$/fd/2)\n"
          "echo $streams \"secret=$LODEKEY_SECRET\" >&3");
  EXPECT_EQ(Hear(child), "closed\n/dev/null /dev/null secret=\n");
  EXPECT_EQ(child.End(), 0);
}

TEST_F(ChildProcessTest, HearsItsParent) {
  ChildProcess child = Run("read line <&3; echo \"got $line\" >&3");
  ASSERT_EQ(write(child.socket(), "this\n", 5), 5);
  EXPECT_EQ(Hear(child), "got this\n");
}

TEST_F(ChildProcessTest, SaysWhichSignalEndedIt) {
  ChildProcess child = Run("kill -s KILL $$");
  EXPECT_EQ(Hear(child), "");
  EXPECT_EQ(child.End(), SIGKILL);
}

TEST_F(ChildProcessTest, EndsWithItsObject) {
  pid_t pid = -1;
  {
    const ChildProcess child = Run("while :; do read line <&3 || :; done");
    pid = child.pid();
    EXPECT_TRUE(child.IsConnected());
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(ChildProcessTest, IsSeenToEnd) {
  const ChildProcess child = Run("exit 3");
  EXPECT_TRUE(test::Eventually([&] { return !child.IsConnected(); }));
}

TEST_F(ChildProcessTest, MovesWithItsProcess) {
  ChildProcess first = Run("echo one >&3");
  first = Run("echo two >&3");
  ChildProcess second = std::move(first);
  EXPECT_EQ(Hear(second), "two\n");
}

TEST_F(ChildProcessTest, SaysThatItsProgramIsNotThere) {
  const auto child = ChildProcess::Start("/nonexistent/program", "x");
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().Name(), "file-not-found");
  EXPECT_THAT(child.error().text, ::testing::HasSubstr("/nonexistent/program"));
}

}  // namespace
}  // namespace lodekey::platform
