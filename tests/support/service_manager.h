// A service manager of the test's own: hears what a service notifies and keeps the descriptors that
// it stores, as systemd does (sd_notify(3)).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "platform/unique_fd.h"

namespace lodekey::test {

class ServiceManager {
 public:
  // Listens at `path`, which becomes NOTIFY_SOCKET of the service.
  explicit ServiceManager(std::string path);

  const std::string& path() const { return path_; }
  // Takes in what has been notified so far.
  void Listen();
  // Duplicates of what is stored under the name.
  std::vector<platform::UniqueFd> Stored(const std::string& name);
  // How often something was stored.
  size_t stores() const { return stores_; }

 private:
  void Take(const std::string& message, std::vector<platform::UniqueFd> fds);

  std::string path_;
  platform::UniqueFd socket_;
  std::map<std::string, std::vector<platform::UniqueFd>> stored_;
  size_t stores_ = 0;
};

}  // namespace lodekey::test
