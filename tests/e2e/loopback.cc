#include "tests/e2e/loopback.h"

#include <arpa/inet.h>
#include <stdexcept>
#include <sys/socket.h>

namespace lodekey::test {
namespace {

sockaddr_in AddressOf(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

Fd NewSocket() { return Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool Bind(const Fd& fd, const sockaddr_in& address) {
  return bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

Listener BindToFreePort() {
  Listener listener{.fd = NewSocket()};
  sockaddr_in bound{};
  socklen_t size = sizeof(bound);
  if (!Bind(listener.fd, AddressOf("127.0.0.1", 0)) ||
      getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  listener.port = ntohs(bound.sin_port);
  return listener;
}

}  // namespace

Listener ListenOnLoopback() {
  Listener listener = BindToFreePort();
  if (listen(listener.fd.get(), SOMAXCONN) != 0) throw std::runtime_error("cannot listen");
  return listener;
}

Fd ConnectOnLoopback(const std::string& source, int port) {
  Fd fd = NewSocket();
  const sockaddr_in address = AddressOf("127.0.0.1", port);
  const bool connected =
      Bind(fd, AddressOf(source, 0)) &&
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  return connected ? std::move(fd) : Fd();
}

int FreePort() { return BindToFreePort().port; }

}  // namespace lodekey::test
