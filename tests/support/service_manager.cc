#include "tests/support/service_manager.h"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

namespace lodekey::test {
namespace {

constexpr size_t kMaxFds = 8;

std::string ValueOf(const std::string& message, const std::string& key) {
  std::istringstream lines(message);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + "=")) return line.substr(key.size() + 1);
  }
  return {};
}

}  // namespace

ServiceManager::ServiceManager(std::string path)
    : path_(std::move(path)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    throw std::runtime_error("cannot listen at " + path_);
}

void ServiceManager::Listen() {
  while (true) {
    std::array<char, 4096> text{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return;
    std::vector<platform::UniqueFd> fds;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      std::vector<int> raw((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      std::memcpy(raw.data(), CMSG_DATA(header), raw.size() * sizeof(int));
      for (const int fd : raw) fds.emplace_back(fd);
    }
    Take(std::string(text.data(), static_cast<size_t>(size)), std::move(fds));
  }
}

void ServiceManager::Take(const std::string& message, std::vector<platform::UniqueFd> fds) {
  const std::string name = ValueOf(message, "FDNAME");
  if (ValueOf(message, "FDSTOREREMOVE") == "1") {
    stored_.erase(name);
  } else if (ValueOf(message, "FDSTORE") == "1") {
    for (auto& fd : fds) stored_[name].push_back(std::move(fd));
    ++stores_;
  }
}

std::vector<platform::UniqueFd> ServiceManager::Stored(const std::string& name) {
  Listen();
  std::vector<platform::UniqueFd> duplicates;
  for (const auto& fd : stored_[name])
    duplicates.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  return duplicates;
}

}  // namespace lodekey::test
