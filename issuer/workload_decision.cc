#include "issuer/workload_decision.h"

#include <algorithm>

#include <fmt/format.h>

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

std::string Join(const std::vector<attest::Selector>& selectors) {
  std::string text;
  for (const attest::Selector& selector : selectors)
    text += (text.empty() ? "" : ", ") + attest::FormatSelector(selector);
  return text;
}

Result<void> CheckSelectors(const attest::Entry& entry, const WorkloadRequest& request) {
  const auto graded = std::ranges::find_if(
      request.selectors, [](const auto& held) { return held.grade != attest::Grade::kObserved; });
  if (graded != request.selectors.end())
    return Deny(
        fmt::format("{} is reported as '{}': what an agent sees is observed, and no more",
                    attest::FormatSelector(graded->selector), attest::GradeName(graded->grade)),
        "selector-grade", "Run the agent as it was installed on this host.");
  if (request.selectors.empty()) {
    if (entry.prefetch) return {};
    return Deny("no process asks, and the entry is not one to be fetched ahead of that",
                "not-prefetched", "Let the process ask, or update the entry with --prefetch.");
  }
  const auto missing = attest::MissingSelectors(entry, request.selectors);
  if (missing.empty()) return {};
  return Deny("the process lacks " + Join(missing), "selectors-missing",
              "On the host: lodekey explain --pid PID");
}

Result<void> CheckAudiences(const attest::Entry& entry, const WorkloadRequest& request) {
  const auto* audiences = std::get_if<Audiences>(&request.subject);
  if (audiences == nullptr) return {};
  const auto refused = std::ranges::find_if_not(*audiences, [&](const std::string& audience) {
    return attest::AllowsAudience(entry, audience);
  });
  if (refused == audiences->end()) return {};
  return Deny(fmt::format("the entry allows no JWT-SVID for the audience '{}'", *refused),
              "audience-not-allowed",
              "If it may have one, update the entry with --jwt-audience. " + ShowEntry(entry));
}

}  // namespace

Result<WorkloadDecision> WorkloadDecision::After(const NodeRecord& node,
                                                 const std::optional<attest::Entry>& stored,
                                                 const WorkloadRequest& request, Duration node_ttl,
                                                 Time now) {
  RETURN_IF_ERROR(CheckIdentity(node), "node");
  RETURN_IF_ERROR(CheckEntryNow(node, stored, request, now), "entry");
  ASSIGN_OR_RETURN(SpiffeId id, attest::ExpandSpiffeId(*stored, node.labels), "identity");
  RETURN_IF_ERROR(CheckSelectors(*stored, request), "selectors");
  RETURN_IF_ERROR(CheckAudiences(*stored, request), "audience");
  WorkloadDecision decision(request.subject);
  decision.node_ = node.id;
  decision.entry_ = *stored;
  decision.id_ = std::move(id);
  decision.evidence_time_ = node.enrolment->evidence_time;
  decision.limit_ = std::min(node.enrolment->not_after, node.enrolment->evidence_time + node_ttl);
  decision.least_ = LeastLife(node_ttl);
  decision.decided_ = now;
  return decision;
}

Time WorkloadDecision::not_after() const {
  return entry_.expires == Time() ? limit_ : std::min(limit_, entry_.expires);
}

}  // namespace lodekey::issuer
