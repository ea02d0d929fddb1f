// What the tests of this folder share: a directory that disappears, and work in a child process.
#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace lodekey::platform {

class ScratchDir {
 public:
  ScratchDir() {
    std::string name = testing::TempDir() + "lodekey-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Writes a file with exactly `mode` and returns its path.
  std::string Write(std::string_view name, std::string_view content, mode_t mode = 0600) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }

  size_t CountEntries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

// A variable of the environment for the length of a test.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~ScopedVariable() { ::unsetenv(name_.c_str()); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  std::string name_;
};

// What a child says with its exit status.
inline constexpr int kChildPassed = 0;
inline constexpr int kChildFailed = 1;
inline constexpr int kChildNotPermitted = 77;

// Runs `work` in a child, prints what it expected in vain, and returns its exit status; -1 after a
// signal.
template <class Work>
int RunInChild(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int status = work();
    ::_exit(testing::Test::HasFailure() ? kChildFailed : status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Makes this process (a child) one that permissions bind; false where that is not permitted.
inline bool BecomeUnprivileged() {
  return ::geteuid() != 0 || ::setresuid(65534, 65534, 65534) == 0;
}

// Gives this process (a child) a mount namespace of its own; false where that is not permitted.
inline bool EnterPrivateMounts() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// Mounts a tmpfs of `options` ("size=64k") at `path`.
inline bool MountTmpfs(const std::string& path, const char* options) {
  return ::mount("tmpfs", path.c_str(), "tmpfs", 0, options) == 0;
}

}  // namespace lodekey::platform
