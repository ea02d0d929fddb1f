// The SPIFFE Workload API as gRPC's service, and grpc.health.v1 beside it: translation, and nothing
// decided here.
#pragma once

#include <functional>
#include <memory>

#include <grpcpp/generic/async_generic_service.h>

#include "agent/attestation_pool.h"
#include "agent/jwt_svids.h"
#include "agent/svid_book.h"
#include "agent/workload_callers.h"
#include "base/time.h"

namespace lodekey::agent {

// What the service stands on; all of it outlives it.
struct WorkloadParts {
  WorkloadCallers& callers;
  AttestationPool& pool;
  SvidBook& book;
  JwtSvids& tokens;
  std::function<Time()> now;
};

// Health is SERVING while this host knows its entries.
std::unique_ptr<grpc::CallbackGenericService> MakeWorkloadService(const WorkloadParts& parts);

}  // namespace lodekey::agent
