#include "platform/stored_fds.h"

#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

// A list of strings as sd-daemon gives it, which frees itself.
struct Names {
  char** list = nullptr;
  Names() = default;
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  ~Names() {
    for (char** name = list; name != nullptr && *name != nullptr; ++name) std::free(*name);
    std::free(static_cast<void*>(list));
  }
};

}  // namespace

std::vector<UniqueFd> TakeStoredFds(const std::string& name) {
  Names names;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names.list);
  std::vector<UniqueFd> stored;
  for (int i = 0; i < count; ++i) {
    UniqueFd fd(SD_LISTEN_FDS_START + i);
    if (names.list[i] == name) stored.push_back(std::move(fd));
  }
  return stored;
}

bool CanStoreFds() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

Result<void> StoreFd(const std::string& name, int fd) {
  const std::string state = fmt::format("FDSTORE=1\nFDNAME={}", name);
  const int sent = sd_pid_notify_with_fds(0, 0, state.c_str(), &fd, 1);
  if (sent < 0) return FailErrno(-sent, "hand a descriptor to the service manager");
  return {};
}

void RemoveStoredFds(const std::string& name) {
  // Nobody to tell, or a manager that is gone: it has nothing either.
  (void)sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
}

}  // namespace lodekey::platform
