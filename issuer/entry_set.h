// What a node is told of its entries: one message with all of them. Pure.
#pragma once

#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/time.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxSetEntries = 10'000;
// Bytes of the message, bundle included: a client of gRPC takes 4 MiB.
inline constexpr size_t kMaxSetBytes = (size_t{4} << 20) - (size_t{64} << 10);

struct NodeEntries {
  lodekey::node::v1::EntrySet set;
  size_t left_out = 0;  // that the set has no room for: the newest
};

// `entries` are those in the node's scope, the oldest first. Each without its scope, its SPIFFE ID
// expanded with the node's labels; one that cannot be expanded is among the unusable, with the
// reason; one that has ended is not there.
NodeEntries EntriesOf(const std::vector<const attest::Entry*>& entries,
                      const attest::Labels& labels, const lodekey::node::v1::Bundle& bundle,
                      Time now);

}  // namespace lodekey::issuer
