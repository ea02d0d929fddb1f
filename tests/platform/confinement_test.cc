#include "platform/confinement.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

constexpr uint64_t kMemory = uint64_t{64} << 20;

// Runs `act` confined, in a process of its own, and leaves with what it returns.
template <class Act>
[[noreturn]] void Confined(Act act) {
  if (!Confine(kMemory)) _exit(99);
  _exit(act());
}

class Confinement : public ::testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "fast");
#if defined(LODEKEY_SANITIZED)
    GTEST_SKIP() << "a sanitizer needs address space and system calls of its own";
#endif
  }
};

TEST_F(Confinement, LeavesWhatIsOpen) {
  EXPECT_EXIT(Confined([] { return write(STDERR_FILENO, "heard", 5) == 5 ? 7 : 1; }),
              testing::ExitedWithCode(7), "heard");
}

TEST_F(Confinement, LeavesMemoryUpToItsLimit) {
  const auto take = [](uint64_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? 2 : 3;
  };
  EXPECT_EXIT(Confined([&] { return take(kMemory / 2); }), testing::ExitedWithCode(3), "");
  EXPECT_EXIT(Confined([&] { return take(kMemory * 2); }), testing::ExitedWithCode(2), "");
}

TEST_F(Confinement, EndsWhoOpensAFile) {
  EXPECT_EXIT(Confined([] { return open("/etc/passwd", O_RDONLY | O_CLOEXEC); }),
              testing::KilledBySignal(SIGSYS), "");
}

TEST_F(Confinement, EndsWhoMakesASocket) {
  EXPECT_EXIT(Confined([] { return socket(AF_INET, SOCK_STREAM, 0); }),
              testing::KilledBySignal(SIGSYS), "");
}

TEST_F(Confinement, EndsWhoForksOrExecutes) {
  EXPECT_EXIT(Confined([] { return fork(); }), testing::KilledBySignal(SIGSYS), "");
  EXPECT_EXIT(Confined([] { return execl("/bin/true", "true", nullptr); }),
              testing::KilledBySignal(SIGSYS), "");
}

TEST_F(Confinement, EndsWhoLiftsItsLimits) {
  EXPECT_EXIT(Confined([] {
                const rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
                return setrlimit(RLIMIT_AS, &all);
              }),
              testing::KilledBySignal(SIGSYS), "");
}

// Signal 0 hurts nobody.
TEST_F(Confinement, EndsWhoSignalsAnother) {
  const pid_t another = ::getpid();
  EXPECT_EXIT(
      Confined([another] { return static_cast<int>(::syscall(SYS_tgkill, another, another, 0)); }),
      testing::KilledBySignal(SIGSYS), "");
}

TEST_F(Confinement, EndsWhoAborts) {
  EXPECT_EXIT(Confined([]() -> int { std::abort(); }), testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace lodekey::platform
