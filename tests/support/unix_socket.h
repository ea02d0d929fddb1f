// Unix stream sockets as the stand-ins for a TPM use them.
#pragma once

#include <string>
#include <unistd.h>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::test {

// An owned file descriptor. Move-only.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// Listens on `path`, replacing what is there. Close-on-exec.
Result<Fd> ListenUnix(const std::string& path);
// Blocking, close-on-exec.
Result<Fd> ConnectUnix(const std::string& path);

Result<void> SendAll(int fd, ByteView bytes);

// One TPM command or response: ten bytes of header, of which bytes 2 to 5 are the size of the whole
// (part 1, 18).
inline constexpr size_t kTpmHeaderSize = 10;
inline constexpr size_t kTpmMaxSize = 4096;

// Sends `command` and reads one response. kUnavailable when the peer is gone, kTimeout when it does
// not answer within `timeout_ms`.
Result<Bytes> ExchangeTpm(int fd, ByteView command, int timeout_ms);

// Bytes 2 to 5 of a header; `header` has at least six bytes.
size_t TpmSize(ByteView header);

}  // namespace lodekey::test
