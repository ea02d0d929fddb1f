// The gRPC face of one WatchEntries call: the newest set of the node, written when the one before
// it has gone out.
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>

#include "issuer/entry_feed.h"
#include "issuer/peer_node.h"

namespace lodekey::issuer {

using EntryReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// Serves the call until the node hangs up or the feed ends it. The reactor is gRPC's; `feed`
// outlives the server.
EntryReactor* StreamEntries(grpc::CallbackServerContext* context, EntryFeed& feed,
                            const NodeId& node);

// Ends the call at once.
EntryReactor* RefuseStream(const grpc::Status& status);

}  // namespace lodekey::issuer
