// The gRPC face of the inventory and of the entries, for the lodekey command on the issuer's host.
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include "issuer/connections.h"
#include "issuer/context.h"
#include "platform/peer_map.h"

namespace lodekey::issuer {

// `entries_changed` is called after each change of the entries.
std::unique_ptr<grpc::Service> MakeAdminService(Context& context, Connections& connections,
                                                const platform::PeerMap& peers);

}  // namespace lodekey::issuer
