#include "tests/support/unix_socket.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/format.h>

namespace lodekey::test {
namespace {

std::unexpected<Error> FailErrno(const std::string& what) {
  const int number = errno;
  return Fail(Code::kUnavailable, fmt::format("{}: {}", what, std::strerror(number)),
              {.detail = Detail{Detail::Source::kErrno, static_cast<uint64_t>(number)}});
}

Result<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(Code::kInvalidArgument, "socket path too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> NewSocket() {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return FailErrno("socket");
  return fd;
}

// Appends what has come, waiting for it at most `timeout_ms`.
Result<void> ReceiveSome(int fd, int timeout_ms, Bytes& inbox) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  const int ready = poll(&entry, 1, timeout_ms);
  if (ready < 0) return FailErrno("poll");
  if (ready == 0) return Fail(Code::kTimeout, "no response");
  uint8_t buffer[kTpmMaxSize];
  const ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
  if (size < 0) return FailErrno("receive");
  if (size == 0) return Fail(Code::kUnavailable, "the peer closed the connection");
  inbox.insert(inbox.end(), buffer, buffer + size);
  return {};
}

}  // namespace

Result<Fd> ListenUnix(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, Address(path), "listen");
  ASSIGN_OR_RETURN(Fd fd, NewSocket(), "listen");
  unlink(path.c_str());
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return FailErrno("bind " + path);
  }
  if (listen(fd.get(), SOMAXCONN) != 0) return FailErrno("listen on " + path);
  return fd;
}

Result<Fd> ConnectUnix(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, Address(path), "connect");
  ASSIGN_OR_RETURN(Fd fd, NewSocket(), "connect");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return FailErrno("connect to " + path);
  }
  return fd;
}

Result<void> SendAll(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return FailErrno("send");
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return {};
}

Result<Bytes> ExchangeTpm(int fd, ByteView command, int timeout_ms) {
  RETURN_IF_ERROR(SendAll(fd, command), "send a TPM command");
  Bytes response;
  while (response.size() < kTpmHeaderSize || response.size() < TpmSize(response)) {
    RETURN_IF_ERROR(ReceiveSome(fd, timeout_ms, response), "read a TPM response");
    if (response.size() > kTpmMaxSize) return Fail(Code::kInternal, "TPM response too long");
  }
  return response;
}

size_t TpmSize(ByteView header) {
  return size_t{header[2]} << 24 | size_t{header[3]} << 16 | size_t{header[4]} << 8 | header[5];
}

}  // namespace lodekey::test
