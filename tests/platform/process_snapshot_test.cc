#include "platform/process_snapshot.h"

#include <csignal>
#include <fstream>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>

#include <gtest/gtest.h>

#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

// A child that stands still: /bin/sleep, or the copy of it at `path`.
class Sleeper {
 public:
  explicit Sleeper(const std::string& path = "/bin/sleep") : pid_(::fork()) {
    if (pid_ == 0) {
      ::execl(path.c_str(), "sleep", "600", nullptr);
      ::_exit(127);
    }
    peer_ = {.pid = pid_, .pidfd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)))};
    while (!Sleeps()) std::this_thread::yield();
  }
  ~Sleeper() { End(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  void End() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  const Peer& peer() const { return peer_; }

 private:
  // The name is the new program's before execve has done everything; asleep it is done.
  bool Sleeps() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(file, line);
    return line.find(" (sleep) S ") != std::string::npos;
  }

  pid_t pid_;
  Peer peer_;
};

TEST(ProcStat, CountsItsFieldsBehindTheNameThatMayHoldAnything) {
  const auto stat = ParseProcStat(
      "12 (a) R 1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 1 1 1 2 3 99 0 0 0 0 0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->start, 777u);
  EXPECT_EQ(stat->stack, 99u);
}

TEST(ProcStat, IsNothingWhenAFieldIsMissingOrIsNoNumber) {
  for (const char* text : {"", "12 (sleep", "12 (sleep) S 1 1",
                           "1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 a 1 1 1 2 3 99 0\n",
                           "1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7 1 1 1 2 3"}) {
    EXPECT_FALSE(ParseProcStat(text)) << text;
  }
}

TEST(ProcessSnapshot, IsEqualWhileNothingChanges) {
  const Sleeper sleeper;
  const auto first = TakeSnapshot(sleeper.peer());
  ASSERT_TRUE(first) << first.error().text;
  const auto second = TakeSnapshot(sleeper.peer());
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
  EXPECT_NE(first->stat.start, 0u);
  EXPECT_NE(first->executable.inode, 0u);
  EXPECT_FALSE(first->cgroup.empty());
}

TEST(ProcessSnapshot, DiffersBetweenTwoProcessesOfOneProgram) {
  const Sleeper first;
  const Sleeper second;
  const auto a = TakeSnapshot(first.peer());
  const auto b = TakeSnapshot(second.peer());
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->executable, b->executable);
  EXPECT_NE(a->stat, b->stat);
}

TEST(ProcessSnapshot, ShowsThatTheSameProgramWasExecutedAgain) {
  // A shell that becomes another run of itself when it is told to.
  int told[2] = {};
  ASSERT_EQ(::pipe(told), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(told[0], 0);
    ::execl("/bin/sh", "sh", "-c", "read -r line; exec /bin/sh -c 'read -r line'", nullptr);
    ::_exit(127);
  }
  const Peer peer{.pid = child,
                  .pidfd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)))};
  const auto command_line = [&] {
    std::ifstream file("/proc/" + std::to_string(child) + "/cmdline");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  while (command_line().find("exec") == std::string::npos) std::this_thread::yield();
  const auto before = TakeSnapshot(peer);
  ASSERT_EQ(::write(told[1], "\n", 1), 1);
  while (command_line().find("exec") != std::string::npos) std::this_thread::yield();
  const auto after = TakeSnapshot(peer);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->executable, after->executable);
  EXPECT_EQ(before->stat.start, after->stat.start);
  EXPECT_NE(*before, *after);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(told[0]);
  ::close(told[1]);
}

TEST(ProcessSnapshot, RefusesAProcessThatHasEnded) {
  Sleeper sleeper;
  sleeper.End();
  const auto snapshot = TakeSnapshot(sleeper.peer());
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().Name(), "peer-gone");
}

TEST(ProcDir, NeverReadsOfAnotherProcessOnceItsOwnHasEnded) {
  Sleeper sleeper;
  const auto directory = ProcDir::Open(sleeper.peer().pid, sleeper.peer().pidfd);
  ASSERT_TRUE(directory);
  ASSERT_TRUE(directory->Stat());
  sleeper.End();
  EXPECT_EQ(directory->Stat().error().Name(), "peer-gone");
  EXPECT_EQ(directory->ReadLink("exe").error().Name(), "peer-gone");
  EXPECT_EQ(directory->OpenExecutable().error().Name(), "peer-gone");
}

TEST(FileId, TellsAFileFromTheOneThatTookItsPlace) {
  const ScratchDir scratch;
  const std::string path = scratch / "file";
  const auto id_of = [&] {
    const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    auto id = ReadFileId(fd.get());
    EXPECT_TRUE(id);
    return id ? *id : FileId{};
  };
  std::ofstream(path) << "one";
  const FileId first = id_of();
  EXPECT_EQ(first, id_of());
  ::unlink(path.c_str());
  std::ofstream(path) << "two";
  EXPECT_NE(first, id_of()) << "the same inode number may be used again at once";
}

}  // namespace
}  // namespace lodekey::platform
