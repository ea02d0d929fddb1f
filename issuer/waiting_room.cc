#include "issuer/waiting_room.h"

#include <fmt/format.h>

#include "issuer/audit_record.h"

namespace lodekey::issuer {
namespace {

Result<std::optional<WaitingSource>> FindWhoMakesRoom(Transaction& transaction,
                                                      const NodeRecord& newcomer) {
  ASSIGN_OR_RETURN(auto largest, transaction.LargestWaitingSource(/*with_devid=*/false),
                   "hosts without a DevID");
  const bool with_devid = !newcomer.devid.empty();
  if (with_devid) {
    if (largest) return largest;
    ASSIGN_OR_RETURN(largest, transaction.LargestWaitingSource(with_devid), "hosts with a DevID");
  }
  if (!largest) return largest;
  ASSIGN_OR_RETURN(const uint64_t own,
                   transaction.CountWaiting(SourceOfWaiting(newcomer), with_devid), "its own");
  if (own >= largest->hosts) largest.reset();
  return largest;
}

std::unexpected<Error> Full(uint64_t places) {
  return Fail(Code::kUnavailable, fmt::format("{} hosts wait for approval already", places),
              {.name = "too-many-pending",
               .advice = "On the issuer: lodekey node pending, then approve or deny some."});
}

Result<void> Displace(Transaction& transaction, const WaitingSource& source,
                      const NodeRecord& newcomer, Time now) {
  ASSIGN_OR_RETURN(const auto leaving, transaction.FindNode(source.longest_unseen), "find it");
  if (!leaving) return Fail(Code::kInternal, "a host that waits is not there");
  RETURN_IF_ERROR(transaction.ForgetWaiting(leaving->id, now), "forget it");
  transaction.Audit(OperatorRecord(
      {.event = "node.displaced",
       .actor = "issuer",
       .node = leaving->id,
       .before = std::string(StandingName(leaving->standing)),
       .detail = fmt::format("all places are taken, {} by hosts from {}; in its place: {}",
                             source.hosts, source.source, newcomer.id),
       .shown = leaving->shown},
      now));
  return {};
}

}  // namespace

Result<void> MakeRoom(Transaction& transaction, const NodeRecord& newcomer, Time now,
                      uint64_t places) {
  ASSIGN_OR_RETURN(const uint64_t waiting, transaction.CountNodes(Standing::kPending),
                   "count the hosts that wait");
  if (waiting < places) return {};
  ASSIGN_OR_RETURN(const auto source, FindWhoMakesRoom(transaction, newcomer), "make room");
  if (!source) return Full(places);
  return Displace(transaction, *source, newcomer, now);
}

}  // namespace lodekey::issuer
