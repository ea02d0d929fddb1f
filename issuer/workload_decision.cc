#include "issuer/workload_decision.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/decision_record.h"
#include "issuer/peer_node.h"

namespace lodekey::issuer {
namespace {

std::unexpected<Error> Deny(std::string text, std::string name, std::string advice) {
  return Fail(Code::kDenied, std::move(text),
              {.name = std::move(name), .advice = std::move(advice)});
}

std::string ShowEntry(const attest::Entry& entry) {
  return "On the issuer: lodekey entry show " + entry.id;
}

Result<void> CheckEntryNow(const NodeRecord& node, const std::optional<attest::Entry>& stored,
                           const WorkloadRequest& request, Time now) {
  if (!stored) {
    return Fail(Code::kNotFound, "there is no such entry (any more)",
                {.name = "entry-unknown",
                 .advice = "The agent hears of its entries by itself; see what there is: lodekey "
                           "entry list"});
  }
  if (!attest::InScope(stored->scope, node.id, node.labels))
    return Deny("the entry is not for this node", "entry-not-for-node",
                "Add the node or its labels to the entry's scope. " + ShowEntry(*stored));
  if (stored->revision != request.entry_revision) {
    return Fail(Code::kConflict,
                fmt::format("the entry has revision {}, the node knows {}", stored->revision,
                            request.entry_revision),
                {.name = "entry-changed",
                 .advice = "The agent asks again once it has heard of the change."});
  }
  // A second at least: that is what certificates and tokens count in.
  if (attest::HasExpired(*stored, now + std::chrono::seconds(1)))
    return Deny(fmt::format("the entry ended at {}", FormatTime(stored->expires)), "entry-expired",
                "If it is to go on, give it another end. " + ShowEntry(*stored));
  return {};
}

}  // namespace

Result<SpiffeId> WorkloadDecision::Identify(const NodeRecord& node,
                                            const std::optional<attest::Entry>& stored,
                                            const WorkloadRequest& request, Time now) {
  RETURN_IF_ERROR(CheckIdentity(node), "node");
  RETURN_IF_ERROR(CheckEntryNow(node, stored, request, now), "entry");
  return attest::ExpandSpiffeId(*stored, node.labels);
}

Result<WorkloadDecision> WorkloadDecision::After(const NodeRecord& node,
                                                 const std::optional<attest::Entry>& stored,
                                                 const WorkloadRequest& request,
                                                 const Ruling& ruling, Duration node_ttl,
                                                 Time now) {
  ASSIGN_OR_RETURN(SpiffeId id, Identify(node, stored, request, now), "identity");
  if (!ruling.allowed() || ruling.point() != PolicyPoint::kIssuance)
    return std::unexpected(RefusalError(ruling));
  WorkloadDecision decision(request, ruling);
  decision.node_ = node.id;
  decision.entry_ = *stored;
  decision.id_ = std::move(id);
  decision.evidence_time_ = node.enrolment->evidence_time;
  decision.limit_ = std::min(node.enrolment->not_after, node.enrolment->evidence_time + node_ttl);
  decision.least_ = LeastLife(node_ttl);
  decision.decided_ = now;
  return decision;
}

bool WorkloadDecision::needs_evidence() const {
  if (limit_ - decided_ < least_) return true;
  const auto& within = ruling_.output().evidence_within;
  if (!within) return false;
  // Evidence of the future has no age: the issuer's clock went back.
  return evidence_time_ > decided_ || decided_ - evidence_time_ > *within;
}

Time WorkloadDecision::not_after() const {
  Time end = limit_;
  if (entry_.expires != Time()) end = std::min(end, entry_.expires);
  if (const auto& ttl = ruling_.output().ttl) end = std::min(end, decided_ + *ttl);
  return end;
}

}  // namespace lodekey::issuer
