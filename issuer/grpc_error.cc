#include "issuer/grpc_error.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "crypto/secret.h"
#include "platform/log.h"

namespace lodekey::issuer {
namespace {

grpc::StatusCode StatusCodeOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return grpc::StatusCode::INVALID_ARGUMENT;
    case Code::kNotFound: return grpc::StatusCode::NOT_FOUND;
    case Code::kConflict: return grpc::StatusCode::ABORTED;
    case Code::kUntrusted: return grpc::StatusCode::UNAUTHENTICATED;
    case Code::kDenied: return grpc::StatusCode::PERMISSION_DENIED;
    case Code::kUnavailable: return grpc::StatusCode::UNAVAILABLE;
    case Code::kTimeout: return grpc::StatusCode::FAILED_PRECONDITION;
    case Code::kHardware:
    case Code::kInternal: return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::INTERNAL;
}

// Header values are ASCII on one line.
std::string HeaderText(const std::string& text) {
  std::string safe;
  for (const char c : text) safe.push_back(c >= 0x20 && c < 0x7f ? c : ' ');
  return safe;
}

}  // namespace

grpc::Status ToGrpcStatus(grpc::ServerContextBase& context, const Error& error, Audience audience,
                          std::string_view call) {
  const std::string request_id = ToHex(crypto::RandomBytes(8));
  const std::string name(error.Name());
  platform::LogEvent(
      platform::LogLevel::kWarning, "a request was refused",
      {{"call", std::string(call)},
       {"code", name},
       {"reason", error.text},
       {"peer", context.peer()},
       {"request_id", request_id},
       {"where", fmt::format("{}:{}", error.where.file_name(), error.where.line())}});
  context.AddTrailingMetadata("lodekey-error", HeaderText(name));
  context.AddTrailingMetadata("lodekey-request-id", request_id);
  if (audience == Audience::kStranger)
    return {StatusCodeOf(error.code), fmt::format("{} (request {})", name, request_id)};
  context.AddTrailingMetadata("lodekey-advice", HeaderText(error.advice));
  return {StatusCodeOf(error.code), error.text};
}

}  // namespace lodekey::issuer
