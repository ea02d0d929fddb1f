#include "tests/agent/raw_call.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spiffe/workload.pb.h"

namespace lodekey::test {
namespace {

using platform::UniqueFd;

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kGoAway = 7,
  kWindow = 8
};
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;
constexpr size_t kFrameHeader = 9;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

// RFC 9113, 4.1. What we send is shorter than 64 KiB.
std::string Frame(FrameType type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string frame(kFrameHeader, '\0');
  frame[1] = static_cast<char>(payload.size() >> 8);
  frame[2] = static_cast<char>(payload.size() & 0xff);
  frame[3] = static_cast<char>(type);
  frame[4] = static_cast<char>(flags);
  for (size_t i = 0; i < 4; ++i) frame[5 + i] = static_cast<char>(stream >> (24 - 8 * i) & 0xff);
  return frame + payload;
}

// RFC 7541: a string of less than 127 bytes as it is; a field that enters no table.
std::string Text(const std::string& text) { return static_cast<char>(text.size()) + text; }
std::string Field(const std::string& name, const std::string& value) {
  return '\0' + Text(name) + Text(value);
}

// Connection preface and settings (RFC 9113, 3.4).
std::string Preface() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, ""); }

std::string Headers(uint32_t stream, const std::string& method) {
  return Frame(kHeaders, kEndHeaders, stream,
               "\x83\x86" +                                           // POST, http
                   ('\x04' + Text("/SpiffeWorkloadAPI/" + method)) +  // :path
                   ('\x01' + Text("localhost")) +                     // :authority
                   Field("te", "trailers") + Field("content-type", "application/grpc") +
                   Field("workload.spiffe.io", "true"));
}

uint32_t Number(const std::string& bytes, size_t offset, size_t size) {
  uint32_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return number;
}

// What the test has open is none of the caller's. `but` is in order.
void CloseOthers(const std::array<int, 3>& but) {
  unsigned first = 3;
  for (const int keep : but) {
    const auto number = static_cast<unsigned>(keep);
    if (keep < 0 || number < first) continue;
    if (number > first) ::close_range(first, number - 1, 0);
    first = number + 1;
  }
  ::close_range(first, ~0U, 0);
}

// The value behind `name` in a header block. gRPC sends a name of its own or of ours in plain the
// first time it appears on a connection, and a RawCall makes one call.
std::string ValueOf(const std::string& block, const std::string& name) {
  const size_t at = block.find(Text(name));
  if (at == block.npos) return {};
  const size_t size_at = at + 1 + name.size();
  return block.substr(size_at + 1, static_cast<uint8_t>(block[size_at]));
}

}  // namespace

RawCall::RawCall(const std::string& socket, const Caller& caller)
    : connection_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::array<int, 2> go{-1, -1};
  failed_ = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go.data()) != 0;
  const UniqueFd wait_for(go[0]);
  go_ = UniqueFd(go[1]);
  const sockaddr_un address = AddressOf(socket);
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  // All that takes memory before the fork: another thread may hold the allocator's lock.
  std::string number = std::to_string(connection_.get()), path = socket, name = caller.program;
  const std::array<char*, 4> argv{name.data(), number.data(), path.data(), nullptr};
  std::array<int, 3> keep{connection_.get(), wait_for.get(), caller.program_fd};
  std::ranges::sort(keep);
  pid_ = ::fork();
  if (pid_ == 0) {
    CloseOthers(keep);
    if (caller.before) caller.before();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // forgotten when a process becomes another user
    if (!caller.program.empty() || caller.program_fd >= 0) {
      ::fcntl(connection_.get(), F_SETFD, 0);
      if (caller.program_fd >= 0) ::fexecve(caller.program_fd, argv.data(), environ);
      ::execv(caller.program.c_str(), argv.data());
      ::_exit(127);
    }
    if (::connect(connection_.get(), plain, sizeof(address)) != 0) ::_exit(126);
    char byte = 0;
    if (caller.after && ::read(wait_for.get(), &byte, 1) == 1) caller.after();
    for (;;) ::pause();
  }
  AwaitConnection();
}

void RawCall::AwaitConnection() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  sockaddr_un peer = {};
  socklen_t size = sizeof(peer);
  while (!failed_ &&
         ::getpeername(connection_.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    size = sizeof(peer);
    siginfo_t ended = {};
    failed_ = (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               ended.si_pid == pid_) ||
              std::chrono::steady_clock::now() > end;
    ::sched_yield();
  }
}

RawCall::~RawCall() { Kill(); }

void RawCall::Go() { (void)!::send(go_.get(), "x", 1, MSG_NOSIGNAL); }

void RawCall::Kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  Wait();
}

void RawCall::Wait() {
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void RawCall::Send(const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t more =
        ::send(connection_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (more <= 0) return;  // the other side has closed it
    sent += static_cast<size_t>(more);
  }
}

void RawCall::Ask(const std::string& method, const std::string& request) {
  Send(Preface() + Headers(1, method) +
       Frame(kData, kEndStream, 1, std::string(4, '\0') + Text(request)));
}

void RawCall::AskNothing() {
  Send(Preface() + Headers(1, "FetchX509SVID") + Frame(kData, kEndStream, 1, ""));
}

void RawCall::BeginCalls(uint32_t count) {
  std::string calls = Preface();
  for (uint32_t i = 0; i < count; ++i) calls += Headers(2 * i + 1, "FetchX509SVID");
  Send(calls);
}

void RawCall::OpenWindow() {
  const std::string much("\x3f\xff\0\0", 4);
  Send(Frame(kWindow, 0, 0, much) + Frame(kWindow, 0, 1, much));
}

// Whether `size` bytes are there.
bool RawCall::Fill(size_t size, int milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (unread_.size() < size) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd ready = {.fd = connection_.get(), .events = POLLIN, .revents = 0};
    if (left.count() < 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0) return false;
    std::array<char, 4096> bytes;
    const ssize_t got = ::recv(connection_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
      connection_.reset();
      return false;
    }
    if (got > 0) unread_.append(bytes.data(), static_cast<size_t>(got));
  }
  return true;
}

Heard RawCall::Hear(int seconds) {
  const int patience = seconds * 1000;
  for (;;) {
    if (!connection_.valid()) return {.what = Heard::What::kClosed};
    if (!Fill(kFrameHeader, patience) || !Fill(kFrameHeader + Number(unread_, 0, 3), patience)) {
      return {.what = connection_.valid() ? Heard::What::kNothing : Heard::What::kClosed};
    }
    const size_t size = Number(unread_, 0, 3);
    const auto type = static_cast<uint8_t>(unread_[3]);
    const auto flags = static_cast<uint8_t>(unread_[4]);
    const std::string payload = unread_.substr(kFrameHeader, size);
    unread_.erase(0, kFrameHeader + size);
    if (type == kReset || type == kGoAway) return {.what = Heard::What::kClosed};
    if (type == kHeaders && (flags & kEndStream) != 0) {
      return {.what = Heard::What::kEnd,
              .status = std::atoi(ValueOf(payload, "grpc-status").c_str()),
              .text = ValueOf(payload, "lodekey-error")};
    }
    if (type != kData) continue;
    message_ += payload;
    if (message_.size() < 5 || message_.size() < 5 + Number(message_, 1, 4)) continue;
    X509SVIDResponse response;
    response.ParseFromString(message_.substr(5, Number(message_, 1, 4)));
    message_.erase(0, 5 + Number(message_, 1, 4));
    Heard heard{.what = Heard::What::kMessage};
    for (const X509SVID& svid : response.svids())
      heard.text += (heard.text.empty() ? "" : ",") + svid.spiffe_id();
    return heard;
  }
}

}  // namespace lodekey::test
