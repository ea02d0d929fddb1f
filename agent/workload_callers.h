// Who is connected to the Workload API, and how much of it each user may hold.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agent/attestor.h"
#include "agent/caller_limits.h"
#include "base/result.h"
#include "platform/peer_map.h"
#include "platform/unique_fd.h"

namespace lodekey::agent {

// A call that may begin.
struct Admission {
  std::shared_ptr<const CallingProcess> caller;
  CallerLimits::Permit call;
  // Given back when the request is here and the caller has been looked at.
  std::optional<CallerLimits::Permit> pending;
};

// Thread-safe.
class WorkloadCallers {
 public:
  static Result<std::unique_ptr<WorkloadCallers>> Create(CallerLimit limit);

  // Remembers who connected, and what it executed at this moment. After a failure the connection is
  // to be closed: its user has too many, or the process has ended.
  Result<void> Accept(int fd, platform::Peer peer);

  // The caller behind gRPC's name of a connection. kDenied: "caller-unknown", or why the process
  // could not be looked at; kUnavailable: "too-many-streams", "too-many-requests".
  Result<Admission> Admit(std::string_view grpc_peer);

  // The place of a call that is refused. Who asks on and does not read the answers runs out of
  // them: then there is none, and the connection is closed.
  std::optional<CallerLimits::Permit> Refuse(std::string_view grpc_peer);

  size_t connections() const { return connections_->size(); }
  // Users that hold anything.
  size_t users() const { return limits_.users(); }

 private:
  struct Connection {
    CallingProcess process;
    std::optional<Error> unreadable;  // said to each call: who debugs the client sees it there
    CallerLimits::Permit permit;
  };
  using Connections = platform::ConnectionMap<Connection>;

  WorkloadCallers(CallerLimit limit, std::unique_ptr<Connections> connections)
      : limits_(limit), connections_(std::move(connections)) {}

  CallerLimits limits_;
  std::unique_ptr<Connections> connections_;
};

}  // namespace lodekey::agent
