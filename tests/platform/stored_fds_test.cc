#include "platform/stored_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

// Passes these descriptors to this process as the service manager does.
void PassTo(const std::string& pid, const std::string& names, const std::vector<int>& fds) {
  for (size_t i = 0; i < fds.size(); ++i) ::dup2(fds[i], static_cast<int>(3 + i));
  ::setenv("LISTEN_PID", pid.c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(fds.size()).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

std::string LinkOf(int fd) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
}

TEST(StoredFds, AreThoseOfTheNameAndTheOthersAreClosed) {
  const ScratchDir scratch;
  const std::string mine = scratch.Write("mine", "");
  const std::string other = scratch.Write("other", "");
  const int status = RunInChild([&] {
    const int a = ::open(mine.c_str(), O_RDONLY);
    const int b = ::open(other.c_str(), O_RDONLY);
    const int high_a = ::fcntl(a, F_DUPFD_CLOEXEC, 10);
    const int high_b = ::fcntl(b, F_DUPFD_CLOEXEC, 10);
    PassTo(std::to_string(::getpid()), "mine:other", {high_a, high_b});
    const auto stored = TakeStoredFds("mine");
    EXPECT_EQ(stored.size(), 1U);
    EXPECT_EQ(LinkOf(stored.front().get()), mine);
    EXPECT_NE(::fcntl(stored.front().get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(::fcntl(4, F_GETFD), -1) << "the other is closed";
    EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr) << "no child takes them for its own";
    EXPECT_TRUE(TakeStoredFds("mine").empty());
    return testing::Test::HasFailure() ? kChildFailed : kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

TEST(StoredFds, OfAnotherProcessAreLeftAlone) {
  const int status = RunInChild([] {
    const int null = ::open("/dev/null", O_RDONLY);
    PassTo("1", "mine", {null});
    EXPECT_TRUE(TakeStoredFds("mine").empty());
    EXPECT_NE(::fcntl(3, F_GETFD), -1);
    return testing::Test::HasFailure() ? kChildFailed : kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

TEST(StoredFds, AreNotThereWithoutAServiceManager) {
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(CanStoreFds());
  EXPECT_TRUE(TakeStoredFds("mine").empty());
  const ScopedVariable socket("NOTIFY_SOCKET", "/nowhere");
  EXPECT_TRUE(CanStoreFds());
  EXPECT_FALSE(StoreFd("mine", 0)) << "there is nobody";
}

}  // namespace
}  // namespace lodekey::platform
