#include "issuer/policy_wire.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <poll.h>
#include <span>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/reader.h"
#include "base/writer.h"
#include "platform/errno_error.h"

namespace lodekey::issuer {
namespace {

constexpr auto kLastKind = PolicyAnswer::Kind::kUnfit;

Result<std::string> Text(Result<ByteView> bytes) {
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  return std::string(AsText(*bytes));
}

Duration Milliseconds(uint32_t count) { return Duration(count); }
uint32_t Count(Duration time) { return static_cast<uint32_t>(time.count()); }

// Waits until the socket can do what is asked of it.
Result<void> Await(int socket, short events, SteadyTime deadline) {
  while (true) {
    const auto left = std::chrono::ceil<Duration>(deadline - std::chrono::steady_clock::now());
    if (left <= Duration(0)) return Fail(Code::kTimeout, "the other end took too long");
    const auto wait = std::min<int64_t>(left.count(), std::numeric_limits<int>::max());
    pollfd polled{.fd = socket, .events = events, .revents = 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(wait));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return platform::FailErrno(errno, "wait for a socket");
  }
}

// What became of a call that moves bytes: how many, or none yet.
Result<size_t> Moved(ssize_t size) {
  if (size > 0) return static_cast<size_t>(size);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return Fail(Code::kUnavailable, "the other end is gone");
}

Result<void> SendAll(int socket, ByteView bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const size_t sent,
                     Moved(::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)),
                     "send");
    bytes = bytes.subspan(sent);
    if (sent == 0) RETURN_IF_ERROR(Await(socket, POLLOUT, deadline), "send");
  }
  return {};
}

Result<void> ReceiveAll(int socket, std::span<uint8_t> bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    RETURN_IF_ERROR(Await(socket, POLLIN, deadline), "receive");
    ASSIGN_OR_RETURN(const size_t got,
                     Moved(::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT)), "receive");
    bytes = bytes.subspan(got);
  }
  return {};
}

}  // namespace

Bytes Encode(const PolicyLoad& load) {
  Writer writer;
  writer.U64Be(load.memory).U32Be(Count(load.time)).U8(static_cast<uint8_t>(load.files));
  writer.U16Be(static_cast<uint16_t>(load.bundle.files.size()));
  for (const auto& [name, text] : load.bundle.files) {
    writer.Sized16(AsBytes(name)).Sized32(text);
  }
  return std::move(writer.Sized32(load.bundle.data)).Finish();
}

Bytes Encode(const PolicyQuestion& question) {
  return std::move(Writer()
                       .U32Be(question.number)
                       .U32Be(Count(question.time))
                       .Sized16(AsBytes(question.rule))
                       .Sized32(question.input))
      .Finish();
}

Bytes Encode(const PolicyAnswer& answer) {
  return std::move(Writer()
                       .U32Be(answer.number)
                       .U8(static_cast<uint8_t>(answer.kind))
                       .Sized32(answer.text))
      .Finish();
}

Result<PolicyLoad> DecodeLoad(ByteView bytes) {
  Reader reader(bytes, "a policy");
  PolicyLoad load;
  ASSIGN_OR_RETURN(load.memory, reader.U64Be(), "read the memory");
  ASSIGN_OR_RETURN(const uint32_t time, reader.U32Be(), "read the time");
  load.time = Milliseconds(time);
  ASSIGN_OR_RETURN(const uint8_t files, reader.U8(), "read which files");
  load.files = static_cast<PolicyFiles>(files);
  if (load.files != PolicyFiles::kDeciding && load.files != PolicyFiles::kAll)
    return Fail(Code::kInvalidArgument, fmt::format("there are no files of kind {}", files));
  ASSIGN_OR_RETURN(const uint16_t count, reader.U16Be(), "read the number of files");
  for (uint16_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(std::string name, Text(reader.Sized16(kMaxPolicyFileName)), "read a name");
    ASSIGN_OR_RETURN(load.bundle.files[std::move(name)], Text(reader.Sized32(kMaxPolicyBytes)),
                     "read a file");
  }
  ASSIGN_OR_RETURN(load.bundle.data, Text(reader.Sized32(kMaxPolicyBytes)), "read the data");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read a policy");
  return load;
}

Result<PolicyQuestion> DecodeQuestion(ByteView bytes) {
  Reader reader(bytes, "a question");
  PolicyQuestion question;
  ASSIGN_OR_RETURN(question.number, reader.U32Be(), "read the number");
  ASSIGN_OR_RETURN(const uint32_t time, reader.U32Be(), "read the time");
  question.time = Milliseconds(time);
  ASSIGN_OR_RETURN(question.rule, Text(reader.Sized16(kMaxPolicyRule)), "read the rule");
  ASSIGN_OR_RETURN(question.input, Text(reader.Sized32(kMaxPolicyInput)), "read the input");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read a question");
  return question;
}

Result<PolicyAnswer> DecodeAnswer(ByteView bytes) {
  Reader reader(bytes, "an answer");
  PolicyAnswer answer;
  ASSIGN_OR_RETURN(answer.number, reader.U32Be(), "read the number");
  ASSIGN_OR_RETURN(const uint8_t kind, reader.U8(), "read the kind");
  if (kind > static_cast<uint8_t>(kLastKind))
    return Fail(Code::kInvalidArgument, fmt::format("there is no answer of kind {}", kind));
  answer.kind = static_cast<PolicyAnswer::Kind>(kind);
  ASSIGN_OR_RETURN(answer.text, Text(reader.Sized32(kMaxPolicyOutput)), "read the text");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read an answer");
  return answer;
}

Result<void> SendFrame(int socket, ByteView body, SteadyTime deadline) {
  return SendAll(socket, std::move(Writer().Sized32(body)).Finish(), deadline);
}

Result<Bytes> ReceiveFrame(int socket, size_t max, SteadyTime deadline) {
  std::array<uint8_t, 4> head{};
  RETURN_IF_ERROR(ReceiveAll(socket, head, deadline), "receive a length");
  ASSIGN_OR_RETURN(const uint32_t size, Reader(head, "a length").U32Be(), "read a length");
  if (size > max)
    return Fail(Code::kInvalidArgument,
                fmt::format("a frame of {} bytes, at most {} are allowed", size, max));
  Bytes body(size);
  RETURN_IF_ERROR(ReceiveAll(socket, body, deadline), "receive a frame");
  return body;
}

}  // namespace lodekey::issuer
