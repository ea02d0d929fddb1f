// Our errors as gRPC's, on the agent's sockets.
#pragma once

#include <grpcpp/support/status.h>

#include "base/error.h"

namespace grpc {
class ServerContextBase;
}

namespace lodekey::agent {

// The status to answer with; RESOURCE_EXHAUSTED for what a limit refuses ("too-many-…"). Trailers:
// "lodekey-error" (the stable name) and "lodekey-advice".
grpc::Status Refuse(grpc::ServerContextBase& context, const Error& error);

}  // namespace lodekey::agent
