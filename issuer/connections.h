// Open connections of nodes, so that one can be closed when its node is removed.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "issuer/node_record.h"

namespace lodekey::issuer {

// Thread-safe. Knows the last connection of each node.
class Connections {
 public:
  // `farewell` is called before a node's connection is shut down, and may wait a little.
  explicit Connections(std::function<void(const NodeId&)> farewell = [](const auto&) {})
      : farewell_(std::move(farewell)) {}

  // `peer` as gRPC names it: "ipv4:192.0.2.1:40000" or "ipv6:%5B2001:db8::1%5D:40000".
  void Note(const NodeId& node, const std::string& peer);

  // Shuts the node's connection down; returns whether one was found. gRPC has no call for it, so
  // the socket is found among this process's descriptors by its peer address, and shut down through
  // a duplicate: the descriptor cannot become another connection in between.
  bool Close(const NodeId& node);

 private:
  const std::function<void(const NodeId&)> farewell_;
  std::mutex mutex_;
  std::unordered_map<NodeId, std::string> peers_;
};

// The network of a gRPC peer, for limits by source: see NetworkOf.
std::string SourceOf(std::string_view grpc_peer);

// The address itself, as policies compare it: an IPv4 or IPv6 literal without port and zone; empty
// for a peer that has none ("unix:").
std::string AddressOf(std::string_view grpc_peer);

}  // namespace lodekey::issuer
