// A call of the Workload API, spoken byte for byte: the connection is that of a child process,
// which may be of any user, run any program, exit or execute another, while the test speaks on it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "platform/unique_fd.h"

namespace lodekey::test {

// What came on the stream. `text` is, of an X509SVIDResponse, the SPIFFE IDs with commas in
// between; of the end the stable name of the error; empty when the connection was closed.
struct Heard {
  enum class What { kMessage, kEnd, kClosed, kNothing };
  What what = What::kNothing;
  int status = -1;  // gRPC's, of the end
  std::string text = {};

  bool operator==(const Heard&) const = default;
};

class RawCall {
 public:
  struct Caller {
    std::function<void()> before = {};  // in the child, before it connects
    // Executed before it connects, as "PROGRAM FD SOCKET"; empty: the child connects itself.
    std::string program = {};
    int program_fd = -1;               // the same, of an open file
    std::function<void()> after = {};  // in the child, when it has connected and `go` was called
  };

  // Returns when the child has connected; failed() when it ended without.
  RawCall(const std::string& socket, const Caller& caller);
  explicit RawCall(const std::string& socket) : RawCall(socket, Caller{}) {}
  ~RawCall();
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  bool failed() const { return failed_; }
  pid_t pid() const { return pid_; }
  // Lets the child go on to `after`.
  void Go();
  // Ends the child, and waits until it is gone.
  void Kill();
  // Waits for the child to end by itself.
  void Wait();

  // `request` is the message, serialised: at most 127 bytes.
  void Ask(const std::string& method = "FetchX509SVID", const std::string& request = "");
  // A call that ends without its request.
  void AskNothing();
  // So many calls that never send their request, whatever the other side's settings say.
  void BeginCalls(uint32_t count);
  // Until then the other side may send 64 KiB (RFC 9113, 6.9.2), and no more however long it waits.
  void OpenWindow();
  // The next message or the end, at most `seconds` from now.
  Heard Hear(int seconds = 20);
  // Of a message that has not come whole yet.
  size_t part() const { return message_.size(); }
  Heard AskAndHear() {
    Ask();
    return Hear();
  }

 private:
  void AwaitConnection();
  void Send(const std::string& bytes);
  bool Fill(size_t size, int milliseconds);

  pid_t pid_ = 0;
  bool failed_ = false;
  platform::UniqueFd connection_;
  platform::UniqueFd go_;
  std::string unread_;
  std::string message_;
};

}  // namespace lodekey::test
