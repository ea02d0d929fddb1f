// Our errors as gRPC's: code, stable name and request id go out; the whole chain goes to the log.
#pragma once

#include <string>

#include <grpcpp/grpcpp.h>

#include "base/error.h"

namespace lodekey::issuer {

enum class Audience {
  kStranger,  // a name and a request id, nothing else
  kNode,      // a channel proven by the node key: text and advice too
  kOperator,  // the same
};

// Logs `error` once, with a fresh request id, and makes the status to answer with. Trailers:
// "lodekey-error" (the stable name), "lodekey-request-id", and for others than strangers
// "lodekey-advice".
grpc::Status ToGrpcStatus(grpc::ServerContextBase& context, const Error& error, Audience audience,
                          std::string_view call);

}  // namespace lodekey::issuer
