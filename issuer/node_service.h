// The gRPC face of enrolment, attestation, entries and issuance: translation only.
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include "issuer/connections.h"
#include "issuer/context.h"
#include "issuer/entry_feed.h"

namespace lodekey::issuer {

std::unique_ptr<grpc::Service> MakeNodeService(Context& context, Connections& connections,
                                               EntryFeed& feed);

}  // namespace lodekey::issuer
