#include "agent/unix_attestor.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "tests/agent/fuse_program.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using platform::ScratchDir;
using platform::UniqueFd;
using test::Must;

// A process that connected and then runs `program`, a copy of sleep, standing still. `before` runs
// in it before it connects.
class Workload {
 public:
  template <class Before>
  Workload(const ScratchDir& scratch, const std::string& program, Before before) {
    const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    (scratch / "socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
    const auto* plain = reinterpret_cast<const sockaddr*>(&address);
    ::unlink(address.sun_path);
    EXPECT_EQ(::bind(listener.get(), plain, sizeof(address)), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    ::chmod(address.sun_path, 0777);
    ::chmod(scratch.path().c_str(), 0755);
    pid_ = ::fork();
    if (pid_ == 0) {
      before();
      const int connection = ::socket(AF_UNIX, SOCK_STREAM, 0);
      if (::connect(connection, plain, sizeof(address)) != 0) ::_exit(126);
      ::execl(program.c_str(), program.c_str(), "600", nullptr);
      ::_exit(127);
    }
    connection_ = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    auto peer = Must(platform::ReadPeer(connection_.get()));
    caller_.peer = std::make_shared<platform::Peer>(std::move(peer));
    do {
      caller_.snapshot = Must(platform::TakeSnapshot(*caller_.peer));
    } while (caller_.snapshot.executable == OwnExecutable());
  }
  Workload(const ScratchDir& scratch, const std::string& program)
      : Workload(scratch, program, [] {}) {}
  ~Workload() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  const CallingProcess& caller() const { return caller_; }
  CallingProcess& caller() { return caller_; }
  pid_t pid() const { return pid_; }

 private:
  static platform::FileId OwnExecutable() {
    const UniqueFd self(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
    return Must(platform::ReadFileId(self.get()));
  }

  pid_t pid_ = 0;
  UniqueFd connection_;
  CallingProcess caller_;
};

class UnixAttestorTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::copy_file("/bin/sleep", program_); }

  Attested Attest(const Workload& workload, bool digest = false) {
    return Must(attestor_.Attest(workload.caller(), {.executable_digest = digest}));
  }
  static bool Has(const Attested& attested, const std::string& selector) {
    return std::ranges::find(attested.selectors, Must(attest::ParseSelector(selector)),
                             &attest::GradedSelector::selector) != attested.selectors.end();
  }
  static bool HasAny(const Attested& attested, const std::string& name) {
    return std::ranges::any_of(attested.selectors,
                               [&](const auto& graded) { return graded.selector.name == name; });
  }

  std::string Content() const {
    std::ifstream file(program_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The user and no more of the executable than why.
  static void ExpectNoExecutable(const Attested& attested, const std::string& why) {
    EXPECT_TRUE(HasAny(attested, "uid"));
    EXPECT_FALSE(HasAny(attested, "path"));
    EXPECT_FALSE(HasAny(attested, "sha256"));
    ASSERT_EQ(attested.remarks.size(), 1u);
    EXPECT_NE(attested.remarks[0].find(why), std::string::npos) << attested.remarks[0];
  }

  ScratchDir scratch_;
  std::string program_ = scratch_ / "program";
  ExecutableDigests digests_;
  UnixAttestor attestor_{digests_};
};

TEST_F(UnixAttestorTest, NamesUserGroupsAndExecutable) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const Workload workload(scratch_, program_, [] {
    const gid_t groups[] = {4, 54321};
    if (::setgroups(2, groups) != 0 || ::setresgid(12345, 12345, 12345) != 0 ||
        ::setresuid(12345, 12345, 12345) != 0)
      ::_exit(125);
  });
  const Attested attested = Attest(workload);
  for (const char* selector : {"unix:uid:12345", "unix:gid:12345", "unix:supplementary_gid:54321",
                               "unix:supplementary_gid:4", "unix:supplementary_group:adm"}) {
    EXPECT_TRUE(Has(attested, selector)) << selector;
  }
  EXPECT_TRUE(Has(attested, "unix:path:" + program_));
  EXPECT_FALSE(HasAny(attested, "user")) << "12345 has no name";
  EXPECT_FALSE(HasAny(attested, "sha256")) << "nobody wanted it";
  for (const auto& graded : attested.selectors) EXPECT_EQ(graded.grade, attest::Grade::kObserved);
  EXPECT_TRUE(attested.remarks.empty());
}

TEST_F(UnixAttestorTest, NamesTheUserOfAUid) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to be root";
  const Workload workload(scratch_, program_);
  const Attested attested = Attest(workload);
  EXPECT_TRUE(Has(attested, "unix:user:root"));
  EXPECT_TRUE(Has(attested, "unix:group:root"));
}

TEST_F(UnixAttestorTest, GivesTheDigestOfTheFileThatRuns) {
  const Workload workload(scratch_, program_);
  const UniqueFd file(::open("/bin/sleep", O_RDONLY | O_CLOEXEC));
  const auto digest = Must(digests_.Of(file));
  ASSERT_TRUE(digest);
  // Another file under its name changes nothing of what runs.
  std::filesystem::remove(program_);
  std::filesystem::copy_file("/bin/true", program_);
  const Attested attested = Attest(workload, /*digest=*/true);
  EXPECT_TRUE(Has(attested, "unix:sha256:" + ToHex(*digest)));
}

TEST_F(UnixAttestorTest, GivesNoPathOfADeletedOrReplacedFile) {
  const Workload workload(scratch_, program_);
  std::filesystem::remove(program_);
  EXPECT_FALSE(HasAny(Attest(workload), "path"));
  EXPECT_EQ(Attest(workload).remarks.size(), 1u);
  // Not even when a file has the name that the kernel makes up for it.
  std::filesystem::copy_file("/bin/sleep", program_ + " (deleted)");
  EXPECT_FALSE(HasAny(Attest(workload), "path"));
  std::filesystem::copy_file("/bin/sleep", program_);
  EXPECT_FALSE(HasAny(Attest(workload), "path")) << "the same bytes, but another file";
}

TEST_F(UnixAttestorTest, GivesNoPathThatAnotherMountNamespaceMadeUp) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root for a mount namespace";
  const std::string victim = scratch_ / "victim";
  std::filesystem::copy_file("/bin/true", victim);
  const Workload workload(scratch_, victim, [&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(program_.c_str(), victim.c_str(), nullptr, MS_BIND, nullptr) != 0)
      ::_exit(125);
  });
  const Attested attested = Attest(workload);
  EXPECT_FALSE(HasAny(attested, "path"));
  EXPECT_TRUE(HasAny(attested, "uid"));
}

TEST_F(UnixAttestorTest, GivesPathAndDigestThroughAnotherMountOfAFileSystemOfTheHost) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root for a mount namespace";
  // As systemd starts a service: every mount has another number there.
  const Workload workload(scratch_, program_, [] {
    if (!platform::EnterPrivateMounts()) ::_exit(125);
  });
  const Attested attested = Attest(workload, /*digest=*/true);
  EXPECT_TRUE(Has(attested, "unix:path:" + program_));
  EXPECT_TRUE(HasAny(attested, "sha256"));
}

TEST_F(UnixAttestorTest, GivesNothingOfAnExecutableInAMountThatTheHostDoesNotHave) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root for a mount namespace";
  const std::string directory = scratch_ / "mine";
  std::filesystem::create_directory(directory);
  const Workload workload(scratch_, directory + "/program", [&] {
    if (!platform::EnterPrivateMounts() || !platform::MountTmpfs(directory, "size=8m") ||
        !std::filesystem::copy_file(program_, directory + "/program"))
      ::_exit(125);
  });
  ExpectNoExecutable(Attest(workload, /*digest=*/true), "(tmpfs) is mounted in another mount");
}

TEST_F(UnixAttestorTest, GivesNothingOfAnExecutableInAnOverlayThatAUserMadeUp) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const std::string lower = scratch_ / "lower";
  const std::string merged = scratch_ / "merged";
  for (const std::string& directory : {lower, merged, scratch_ / "empty"})
    std::filesystem::create_directory(directory);
  std::filesystem::copy_file(program_, lower + "/program");
  ::chmod(scratch_.path().c_str(), 0755);
  // unshare -Ur -m
  const auto mount_overlay = [&] {
    const std::string options = "lowerdir=" + lower + ":" + scratch_ / "empty";
    return ::setresgid(12345, 12345, 12345) == 0 && ::setresuid(12345, 12345, 12345) == 0 &&
           ::prctl(PR_SET_DUMPABLE, 1) == 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           (std::ofstream("/proc/self/uid_map") << "0 12345 1").flush().good() &&
           ::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0;
  };
  if (platform::RunInChild([&] { return mount_overlay() ? 0 : platform::kChildNotPermitted; }) != 0)
    GTEST_SKIP() << "users may not mount an overlay here";
  const Workload workload(scratch_, merged + "/program", [&] {
    if (!mount_overlay()) ::_exit(125);
  });
  ExpectNoExecutable(Attest(workload, /*digest=*/true), "(overlay) is mounted in another mount");
}

TEST_F(UnixAttestorTest, SaysOfAFuseFileSystemThatIsClosedToOthersThatItIs) {
  const std::string directory = scratch_ / "fuse";
  std::filesystem::create_directory(directory);
  ::chmod(scratch_.path().c_str(), 0755);
  const std::string content = Content();
  const int status = platform::RunInChild([&] {
    int executed[2] = {};
    if (!platform::EnterPrivateMounts() || test::ServeFuseProgram(directory, content, 12345) == 0 ||
        ::pipe2(executed, O_CLOEXEC) != 0)
      return platform::kChildNotPermitted;
    const pid_t user = ::fork();
    if (user == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::setgroups(0, nullptr) == 0 && ::setresgid(12345, 12345, 12345) == 0 &&
          ::setresuid(12345, 12345, 12345) == 0)
        ::execl((directory + "/program").c_str(), "program", "600", nullptr);
      ::_exit(127);
    }
    ::close(executed[1]);
    char none = 0;
    EXPECT_EQ(::read(executed[0], &none, 1), 0);
    const std::string link = "/proc/" + std::to_string(user) + "/exe";
    const UniqueFd executable(::open(link.c_str(), O_PATH | O_CLOEXEC));
    const auto id = platform::ReadExecutableId(executable);
    EXPECT_FALSE(id);
    if (!id) {
      EXPECT_EQ(id.error().Name(), "peer-unreadable");
      EXPECT_EQ(id.error().code, Code::kDenied);
    }
    ::kill(user, SIGKILL);
    return platform::kChildPassed;
  });
  if (status == platform::kChildNotPermitted) GTEST_SKIP() << "FUSE cannot be mounted here";
  EXPECT_EQ(status, platform::kChildPassed);
}

TEST_F(UnixAttestorTest, DoesNotWaitForAFileSystemThatDoesNotAnswer) {
  const std::string directory = scratch_ / "fuse";
  std::filesystem::create_directory(directory);
  const std::string content = Content();
  const auto serve = [&] {
    return platform::EnterPrivateMounts() ? test::ServeFuseProgram(directory, content) : 0;
  };
  if (platform::RunInChild([&] { return serve() != 0 ? 0 : platform::kChildNotPermitted; }) != 0)
    GTEST_SKIP() << "FUSE cannot be mounted here";
  void* shared =
      ::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto* server = static_cast<pid_t*>(shared);
  Workload workload(scratch_, directory + "/program", [&] {
    *server = serve();
    if (*server == 0) ::_exit(125);
  });
  ::kill(*server, SIGSTOP);
  EXPECT_EQ(Must(platform::TakeSnapshot(*workload.caller().peer)).executable,
            workload.caller().snapshot.executable);
  ExpectNoExecutable(Attest(workload, /*digest=*/true),
                     "(fuse) is not served by this host's kernel");
  ::kill(*server, SIGKILL);
  ::munmap(shared, sizeof(pid_t));
}

TEST_F(UnixAttestorTest, GivesNothingOfAProcessInAnotherPidNamespace) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root for a PID namespace";
  const Workload workload(scratch_, program_, [&] {
    // The child of the new namespace connects; its parent waits for it.
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(125);
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      return;
    }
    ::waitpid(child, nullptr, 0);
    ::_exit(0);
  });
  const Attested attested = Attest(workload);
  EXPECT_TRUE(attested.selectors.empty());
  EXPECT_EQ(attested.remarks.size(), 1u);
}

TEST_F(UnixAttestorTest, RefusesACallerThatExecutesAnotherProgramNow) {
  const Workload workload(scratch_, program_);
  CallingProcess before = workload.caller();
  before.snapshot.executable.inode += 1;
  EXPECT_EQ(attestor_.Attest(before, {}).error().Name(), "peer-changed");
}

TEST_F(UnixAttestorTest, RefusesACallerThatHasEnded) {
  const Workload workload(scratch_, program_);
  ::kill(workload.pid(), SIGKILL);
  while (platform::IsAlive(workload.caller().peer->pidfd)) ::sched_yield();
  EXPECT_EQ(attestor_.Attest(workload.caller(), {}).error().Name(), "peer-gone");
}

}  // namespace
}  // namespace lodekey::agent
