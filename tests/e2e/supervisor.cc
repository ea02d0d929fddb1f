#include "tests/e2e/supervisor.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/must.h"
#include "tests/support/service_manager.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

// What systemd does between fork and exec: sd_listen_fds(3).
constexpr const char* kPassDescriptors =
    R"(if [ -n "$KEPT_FD" ]; then
  exec 3<&$KEPT_FD
  export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=lodekey-workloads
fi
exec "$@")";

class ByTest final : public Supervisor {
 public:
  explicit ByTest(const SupervisedAgent& agent)
      : host_(agent.issuer_address, agent.pin, agent.tcti,
              {.settings = {}, .prefix = {"/bin/bash", "-c", kPassDescriptors, "start"}}),
        manager_(host_.directory / "notify") {
    ::setenv("NOTIFY_SOCKET", manager_.path().c_str(), 1);
  }
  ~ByTest() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("KEPT_FD");
  }

  void Start() override { host_.Start(); }
  using Supervisor::Restart;
  void Restart(const std::function<void()>& between) override {
    host_.daemon.Signal(SIGTERM);
    const auto stored = manager_.Stored("lodekey-workloads");
    platform::UniqueFd passed;
    if (!stored.empty()) {
      passed.reset(::dup(stored.front().get()));  // to be inherited
      ::setenv("KEPT_FD", std::to_string(passed.get()).c_str(), 1);
    }
    between();
    host_.Start();
    ::unsetenv("KEPT_FD");
  }
  Finished Run(std::vector<std::string> arguments) const override {
    return host_.Run(std::move(arguments));
  }
  std::string Log() const override { return host_.daemon.Log(); }
  std::string WorkloadSocket() const override { return host_.directory / "run/workload.sock"; }

 private:
  AgentHost host_;
  ServiceManager manager_;
};

std::string SourcePath(const std::string& name) {
  const char* source = std::getenv("LODEKEY_SOURCE");
  return std::string(source == nullptr ? "." : source) + "/" + name;
}

// $1: a directory for the new root; $2, $3: the unit and its user; $4: a directory with
// configuration that is seen inside; $5: programs; $6: the TPM's directory: sockets are not found
// through an overlay. Nothing of this host's services is started: the only unit is the agent's.
constexpr const char* kBoot = R"(set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1"/up "$1"/work "$1"/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1"/root
mount --make-rshared /
root="$1"/root
mount -t proc proc "$root"/proc
mount -t tmpfs tmpfs "$root"/run
mount -t tmpfs tmpfs "$root"/dev
mkdir "$root"/dev/pts "$root"/dev/shm
for node in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 "$root"/dev/${node%:*} c 1 ${node#*:}
done
mount -t sysfs sysfs "$root"/sys
mount -t cgroup2 cgroup2 "$root"/sys/fs/cgroup
cp "$5"/lodekeyd "$5"/lodekey "$root"/usr/bin/
mkdir -p "$root"/etc/lodekey
for shared in "$4" "$6"; do
  mkdir -p "$root$shared"
  mount --bind "$shared" "$root$shared"
done
cp "$4"/agent.toml "$root"/etc/lodekey/
units="$root"/etc/systemd/system
cp "$2" "$units"/
mkdir -p "$units"/lodekeyd.service.d
cp "$4"/override.conf "$units"/lodekeyd.service.d/
rm -f "$units"/default.target
cp "$4"/default.target "$units"/
systemd-sysusers --root="$root" "$3"
export container=test
exec chroot "$root" /lib/systemd/systemd --log-target=null --show-status=no
)";

class BySystemd final : public Supervisor {
 public:
  explicit BySystemd(const SupervisedAgent& agent)
      : system_({"/usr/bin/unshare", "--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc",
                 "--kill-child", "/bin/bash", "-c", kBoot, "boot", root_.path(),
                 SourcePath("systemd/lodekeyd.service"), SourcePath("systemd/lodekey.sysusers"),
                 shared_.path(), std::filesystem::path(ProgramPath("lodekeyd")).parent_path(),
                 agent.tpm_directory},
                shared_ / "boot.log") {
    Must(WriteText(shared_ / "agent.toml",
                   fmt::format("trust_domain = \"{}\"\nissuer = \"{}\"\nissuer_pins = [\"{}\"]\n"
                               "tpm.tcti = \"{}\"\nretry.first = \"100ms\"\nretry.max = \"500ms\"\n"
                               "evidence.boot_log = \"/no-log\"\nevidence.ima_log = \"/no-log\"\n",
                               kTrustDomain, agent.issuer_address, agent.pin, agent.tcti)));
    Must(
        WriteText(shared_ / "override.conf",
                  fmt::format("[Unit]\nDefaultDependencies=no\n[Service]\nStandardError=append:{}\n"
                              "StandardOutput=null\n",
                              shared_ / "agent.log")));
    Must(WriteText(shared_ / "default.target", "[Unit]\nDefaultDependencies=no\n"));
    // The agent of the unit is not root.
    for (const std::string& directory : {shared_.path(), agent.tpm_directory}) {
      ::chmod(directory.c_str(), 0755);
      for (const auto& file : std::filesystem::directory_iterator(directory)) {
        if (file.is_socket()) ::chmod(file.path().c_str(), 0666);
      }
    }
    system_.Start();
  }

  // Until systemd answers.
  bool IsUp() const {
    return Eventually([&] { return Inside({"systemctl", "list-jobs"}).exit_code == 0; }, 15);
  }
  void Start() override { Systemctl("start"); }
  using Supervisor::Restart;
  void Restart(const std::function<void()>&) override { Systemctl("restart"); }
  Finished Run(std::vector<std::string> arguments) const override {
    arguments.insert(arguments.begin(), "lodekey");
    return Inside(arguments);
  }
  std::string Log() const override {
    return ReadText(shared_ / "boot.log") + ReadText(shared_ / "agent.log") +
           Inside({"systemctl", "status", "--no-pager", "lodekeyd"}).out;
  }

 private:
  void Systemctl(const std::string& verb) const {
    const Finished done = Inside({"systemctl", verb, "lodekeyd"});
    EXPECT_EQ(done.exit_code, 0) << done.err << Log();
  }
  Finished Inside(const std::vector<std::string>& command) const {
    const std::string pid = std::to_string(system_.pid());
    std::string init = ReadText("/proc/" + pid + "/task/" + pid + "/children");
    init = init.substr(0, init.find(' '));
    if (init.empty()) return {};
    std::vector<std::string> argv{"/usr/bin/nsenter", "--target", init,  "--mount", "--pid",
                                  "--cgroup",         "--root",   "--wd"};
    argv.insert(argv.end(), command.begin(), command.end());
    return RunProgram(argv);
  }

  TempDir root_;
  TempDir shared_;
  Daemon system_;
};

}  // namespace

std::unique_ptr<Supervisor> SuperviseByTest(const SupervisedAgent& agent) {
  return std::make_unique<ByTest>(agent);
}

std::unique_ptr<Supervisor> SuperviseBySystemd(const SupervisedAgent& agent, std::string& why) {
  if (!std::filesystem::exists("/lib/systemd/systemd")) {
    why = "needs systemd (Debian: systemd)";
    return nullptr;
  }
  if (::geteuid() != 0) {
    why = "needs root, to start systemd in namespaces";
    return nullptr;
  }
  auto supervisor = std::make_unique<BySystemd>(agent);
  if (supervisor->IsUp()) return supervisor;
  why = "systemd does not come up in namespaces here: " + supervisor->Log();
  return nullptr;
}

}  // namespace lodekey::test
