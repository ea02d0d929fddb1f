// The gRPC face of enrolment and attestation: translation only.
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include "issuer/connections.h"
#include "issuer/context.h"

namespace lodekey::issuer {

std::unique_ptr<grpc::Service> MakeNodeService(Context& context, Connections& connections);

}  // namespace lodekey::issuer
