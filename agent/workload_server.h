// The Workload API's socket: every process of the host may connect, and is served as what the
// kernel says it is.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "agent/attestation_pool.h"
#include "agent/caller_limits.h"
#include "agent/jwt_svids.h"
#include "agent/svid_book.h"
#include "base/result.h"
#include "base/time.h"
#include "platform/peer.h"

namespace lodekey::agent {

class WorkloadServer {
 public:
  struct Options {
    std::string socket;
    platform::PeerMode caller_identification = platform::PeerMode::kAuto;
    CallerLimit limit = {};
  };
  // All of them outlive the server.
  struct Parts {
    AttestationPool& pool;
    SvidBook& book;
    JwtSvids& tokens;
    std::function<Time()> now;  // judges JWT-SVIDs
  };

  // Serves until destroyed.
  static Result<std::unique_ptr<WorkloadServer>> Start(const Options& options, const Parts& parts);
  virtual ~WorkloadServer() = default;

  // Connections that are remembered, and users that hold anything.
  virtual size_t connections() const = 0;
  virtual size_t users() const = 0;
};

}  // namespace lodekey::agent
