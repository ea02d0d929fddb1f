#include "cli/grpc_call.h"

#include <mutex>

#include <fmt/format.h>
#include <grpc/support/log.h>

#include "base/grpc_status.h"
#include "cli/socket_probe.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

// A page of the node list with verdicts and PCR values.
constexpr int kMaxMessage = 64 << 20;

std::string Trailer(const grpc::ClientContext& context, const char* key) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(key);
  if (found == trailers.end()) return {};
  return platform::EscapeControl({found->second.data(), found->second.size()});
}

// gRPC reads the target as a URI (RFC 3986) and decodes percent signs.
std::string UriOf(std::string_view path) {
  static constexpr std::string_view kPlain = "/._-~";
  std::string uri = "unix:";
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || kPlain.find(c) != std::string_view::npos) {
      uri.push_back(c);
    } else {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return uri;
}

std::unexpected<Error> FailUnreachable(const Endpoint& endpoint, const Error& reason) {
  const bool barred = reason.Name() == "file-permission";
  return Fail(Code::kUnavailable,
              fmt::format("{} is not reachable: {}", endpoint.program, reason.text),
              {.name = endpoint.kind + "-unreachable",
               .advice = barred ? "Run the command as root, or as a user who may use the socket."
                                : endpoint.advice});
}

}  // namespace

Endpoint AgentEndpoint(const std::string& socket) {
  return {.socket = socket, .program = "lodekeyd", .kind = "agent", .advice = "Start lodekeyd"};
}

std::shared_ptr<grpc::Channel> OpenChannel(const Endpoint& endpoint) {
  // Failures are returned; gRPC would also write them to standard error.
  static std::once_flag quiet;
  std::call_once(quiet, [] { gpr_set_log_function([](gpr_log_func_args*) {}); });
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessage);
  return grpc::CreateCustomChannel(UriOf(endpoint.socket), grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::unexpected<Error> FailCall(const Endpoint& endpoint, const grpc::ClientContext& context,
                                const grpc::Status& status) {
  const std::string message = platform::EscapeControl(status.error_message());
  const std::string name = Trailer(context, "lodekey-error");
  if (!name.empty()) {
    return Fail(CodeOfGrpcStatus(status.error_code()), message,
                {.name = name, .advice = Trailer(context, "lodekey-advice")});
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return Fail(Code::kTimeout, fmt::format("{} did not answer in time", endpoint.program),
                {.name = endpoint.kind + "-timeout",
                 .advice = fmt::format("Look at its log: journalctl -u {}", endpoint.program)});
  }
  const auto probe = ProbeUnixSocket(endpoint.socket);
  if (!probe) return FailUnreachable(endpoint, probe.error());
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return FailUnreachable(endpoint, {.text = message});
  }
  return Fail(CodeOfGrpcStatus(status.error_code()),
              fmt::format("{} answered: {}", endpoint.program, message));
}

}  // namespace lodekey::cli
