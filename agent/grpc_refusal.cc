#include "agent/grpc_refusal.h"

#include <grpcpp/server_context.h>

#include "base/grpc_status.h"

namespace lodekey::agent {

grpc::Status Refuse(grpc::ServerContextBase& context, const Error& error) {
  context.AddTrailingMetadata("lodekey-error", HeaderText(error.Name()));
  context.AddTrailingMetadata("lodekey-advice", HeaderText(error.advice));
  if (error.Name().starts_with("too-many-"))
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.text};
  return {static_cast<grpc::StatusCode>(GrpcStatusOf(error.code)), error.text};
}

}  // namespace lodekey::agent
