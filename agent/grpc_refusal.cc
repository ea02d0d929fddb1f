#include "agent/grpc_refusal.h"

#include <string>

#include <grpcpp/server_context.h>

#include "base/grpc_status.h"

namespace lodekey::agent {
namespace {

// Header values are ASCII on one line.
std::string HeaderText(const std::string& text) {
  std::string safe;
  for (const char c : text) safe.push_back(c >= 0x20 && c < 0x7f ? c : ' ');
  return safe;
}

}  // namespace

grpc::Status Refuse(grpc::ServerContextBase& context, const Error& error) {
  context.AddTrailingMetadata("lodekey-error", HeaderText(std::string(error.Name())));
  context.AddTrailingMetadata("lodekey-advice", HeaderText(error.advice));
  if (error.Name().starts_with("too-many-"))
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.text};
  return {static_cast<grpc::StatusCode>(GrpcStatusOf(error.code)), error.text};
}

}  // namespace lodekey::agent
