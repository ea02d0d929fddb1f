#include "platform/process.h"

#include <csignal>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <gmock/gmock.h>

#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

// What a service manager would hear.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    bound_ = ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  bool bound() const { return bound_; }
  const std::string& path() const { return path_; }
  std::string Hear() const {
    char text[1024] = {};
    const ssize_t size = ::recv(socket_.get(), text, sizeof(text), MSG_DONTWAIT);
    return std::string(text, size < 0 ? 0 : static_cast<size_t>(size));
  }

 private:
  ScratchDir scratch_;
  std::string path_ = scratch_ / "notify";
  UniqueFd socket_;
  bool bound_ = false;
};

TEST(HardenProcess, ForbidsDumpsClosesTheUmaskAndIgnoresSigpipe) {
  const int status = RunInChild([] {
    EXPECT_TRUE(HardenProcess());
    EXPECT_EQ(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    rlimit core = {};
    EXPECT_EQ(::getrlimit(RLIMIT_CORE, &core), 0);
    EXPECT_EQ(core.rlim_max, 0u);
    EXPECT_EQ(::umask(0), 077u);
    ::raise(SIGPIPE);
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

TEST(SignalWaiter, TurnsSignalsIntoValues) {
  const int status = RunInChild([] {
    auto waiter = SignalWaiter::Create();
    if (!waiter) return kChildFailed;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
      ::kill(::getpid(), signal);
      EXPECT_EQ(waiter->Wait(), signal);
    }
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

TEST(SignalWaiter, GivesUpWhenItsTimeIsOver) {
  const int status = RunInChild([] {
    auto waiter = SignalWaiter::Create();
    if (!waiter) return kChildFailed;
    EXPECT_EQ(waiter->Wait(Duration(0)), std::nullopt);
    EXPECT_EQ(waiter->Wait(Duration(5)), std::nullopt);
    EXPECT_EQ(waiter->Wait(Duration(-5)), std::nullopt);
    ::kill(::getpid(), SIGHUP);
    EXPECT_EQ(waiter->Wait(Duration(0)), SIGHUP) << "what is pending needs no time";
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

TEST(SignalWaiter, OutlivesOtherSignalsWhileItWaits) {
  const int status = RunInChild([] {
    auto waiter = SignalWaiter::Create();
    if (!waiter) return kChildFailed;
    // A handler without SA_RESTART interrupts poll; the one that matters comes behind it.
    struct sigaction handler = {};
    handler.sa_handler = [](int) { ::kill(::getpid(), SIGTERM); };
    ::sigaction(SIGALRM, &handler, nullptr);
    const itimerval soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 10000}};
    ::setitimer(ITIMER_REAL, &soon, nullptr);
    EXPECT_EQ(waiter->Wait(), SIGTERM);
    return kChildPassed;
  });
  EXPECT_EQ(status, kChildPassed);
}

TEST(Notify, TellsTheServiceManager) {
  const Manager manager;
  ASSERT_TRUE(manager.bound());
  const ScopedVariable variable("NOTIFY_SOCKET", manager.path());
  NotifyReady("serving");
  EXPECT_EQ(manager.Hear(), "READY=1\nSTATUS=serving");
  NotifyStatus("issuer unreachable");
  EXPECT_EQ(manager.Hear(), "STATUS=issuer unreachable");
  NotifyReloading();
  EXPECT_THAT(manager.Hear(), testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  NotifyStopping();
  EXPECT_EQ(manager.Hear(), "STOPPING=1");
}

TEST(Notify, LetsNoStatusAddAnAssignment) {
  const Manager manager;
  ASSERT_TRUE(manager.bound());
  const ScopedVariable variable("NOTIFY_SOCKET", manager.path());
  NotifyStatus("x\nMAINPID=1");
  EXPECT_EQ(manager.Hear(), "STATUS=x\\nMAINPID=1");
}

TEST(Notify, IsSilentWithoutAServiceManager) {
  const Manager manager;
  ::unsetenv("NOTIFY_SOCKET");
  NotifyReady("serving");
  NotifyStopping();
  EXPECT_EQ(manager.Hear(), "");
}

}  // namespace
}  // namespace lodekey::platform
