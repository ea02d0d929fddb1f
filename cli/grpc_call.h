// One call over a unix socket, and what its failure means. Only the clients include this: the
// headers of gRPC are slow to compile.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "base/result.h"
#include "base/time.h"

namespace lodekey::cli {

struct Endpoint {
  std::string socket = {};
  std::string program = {};  // "lodekeyd"
  std::string kind = {};     // "agent": errors are "agent-unreachable" and "agent-timeout"
  std::string advice = {};   // when nobody answers
};

// The agent, at whichever of its sockets.
Endpoint AgentEndpoint(const std::string& socket);

// Connects at the first call.
std::shared_ptr<grpc::Channel> OpenChannel(const Endpoint& endpoint);

// The server's own error by its trailers "lodekey-error" and "lodekey-advice"; without them nobody
// answered.
[[nodiscard]] std::unexpected<Error> FailCall(const Endpoint& endpoint,
                                              const grpc::ClientContext& context,
                                              const grpc::Status& status);

template <class Response, class Stub, class Request>
Result<Response> Call(const Endpoint& endpoint, Stub& stub, grpc::ClientContext& context,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Duration limit) {
  context.set_deadline(std::chrono::system_clock::now() + limit);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (status.ok()) return response;
  return FailCall(endpoint, context, status);
}
template <class Response, class Stub, class Request>
Result<Response> Call(const Endpoint& endpoint, Stub& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Duration limit) {
  grpc::ClientContext context;
  return Call<Response>(endpoint, stub, context, method, request, limit);
}

}  // namespace lodekey::cli
