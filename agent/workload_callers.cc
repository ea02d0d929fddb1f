#include "agent/workload_callers.h"

#include <utility>

namespace lodekey::agent {

Result<std::unique_ptr<WorkloadCallers>> WorkloadCallers::Create(CallerLimit limit) {
  ASSIGN_OR_RETURN(auto connections, Connections::Create(), "callers");
  return std::unique_ptr<WorkloadCallers>(new WorkloadCallers(limit, std::move(connections)));
}

Result<void> WorkloadCallers::Accept(int fd, platform::Peer peer) {
  // First what costs nothing.
  ASSIGN_OR_RETURN(auto permit, limits_.Take(peer.uid, Held::kConnection), "accept a caller");
  auto snapshot = platform::TakeSnapshot(peer);
  if (!snapshot && snapshot.error().code == Code::kUntrusted)
    return std::unexpected(std::move(snapshot.error()));
  auto connection = std::make_shared<Connection>(Connection{
      .process = {.peer = std::make_shared<platform::Peer>(std::move(peer)), .snapshot = {}},
      .unreadable = {},
      .permit = std::move(permit)});
  if (snapshot)
    connection->process.snapshot = *std::move(snapshot);
  else
    connection->unreadable = std::move(snapshot.error());
  const platform::UniqueFd& pidfd = connection->process.peer->pidfd;
  return connections_->Add(fd, pidfd, std::move(connection));
}

Result<Admission> WorkloadCallers::Admit(std::string_view grpc_peer) {
  const auto connection = connections_->Find(grpc_peer);
  if (!connection) {
    return Fail(Code::kDenied, "the caller is unknown",
                {.name = "caller-unknown", .advice = "The connection is over: connect again."});
  }
  if (connection->unreadable) return std::unexpected(*connection->unreadable);
  const uid_t uid = connection->process.peer->uid;
  ASSIGN_OR_RETURN(auto call, limits_.Take(uid, Held::kStream), "call");
  ASSIGN_OR_RETURN(auto pending, limits_.Take(uid, Held::kPending), "call");
  return Admission{
      .caller = std::shared_ptr<const CallingProcess>(connection, &connection->process),
      .call = std::move(call),
      .pending = std::move(pending)};
}

std::optional<CallerLimits::Permit> WorkloadCallers::Refuse(std::string_view grpc_peer) {
  const auto connection = connections_->Find(grpc_peer);
  if (!connection) return std::nullopt;
  auto place = limits_.Take(connection->process.peer->uid, Held::kRefusal);
  if (place) return *std::move(place);
  connections_->Close(grpc_peer);
  return std::nullopt;
}

}  // namespace lodekey::agent
