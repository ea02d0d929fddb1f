#include "issuer/grpc_error.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/grpc_status.h"
#include "crypto/secret.h"
#include "platform/log.h"

namespace lodekey::issuer {

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
  const auto status = static_cast<grpc::StatusCode>(GrpcStatusOf(error.code));
  if (audience == Audience::kStranger)
    return {status, fmt::format("{} (request {})", name, request_id)};
  context.AddTrailingMetadata("lodekey-advice", HeaderText(error.advice));
  return {status, error.text};
}

}  // namespace lodekey::issuer
