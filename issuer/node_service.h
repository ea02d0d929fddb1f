// The gRPC face of enrolment, attestation, entries and issuance: translation only. What costs
// little (charge, bounds, parsing) is done on gRPC's threads, and the rest on the pool's.
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include "issuer/connections.h"
#include "issuer/context.h"
#include "issuer/entry_feed.h"
#include "issuer/work_pool.h"

namespace lodekey::issuer {

std::unique_ptr<grpc::Service> MakeNodeService(Context& context, Connections& connections,
                                               EntryFeed& feed, WorkPool& pool);

}  // namespace lodekey::issuer
