// A client of a unix socket, for the tests of peers and listeners.
#pragma once

#include <string>
#include <sys/socket.h>
#include <sys/un.h>

#include "platform/unique_fd.h"

namespace lodekey::platform {

inline sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

inline UniqueFd UnixSocket(int type = SOCK_STREAM) {
  return UniqueFd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

inline bool Bind(const UniqueFd& socket, const std::string& path) {
  const sockaddr_un address = UnixAddress(path);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// Invalid when refused.
inline UniqueFd Connect(const std::string& path) {
  UniqueFd socket = UnixSocket();
  const sockaddr_un address = UnixAddress(path);
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket.get(), plain, sizeof(address)) != 0) return UniqueFd();
  return socket;
}

}  // namespace lodekey::platform
