#include "issuer/approval.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/node_name.h"
#include "issuer/rehearsal.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kPage = 256;

bool Has(const NodeLabels& texts, const std::string& name, const std::string& value) {
  const auto found = texts.find(name);
  return found != texts.end() && found->second == value;
}

bool Matches(const NodeRecord& record, const NodeLabels& match) {
  return std::ranges::all_of(match, [&](const auto& wanted) {
    return Has(record.shown, wanted.first, wanted.second) ||
           Has(record.labels, wanted.first, wanted.second);
  });
}

Result<std::vector<NodeRecord>> FindWaiting(View& view, const NodeLabels& match) {
  std::vector<NodeRecord> found;
  for (NodeId after;;) {
    ASSIGN_OR_RETURN(auto page, view.ListNodesOf(Standing::kPending, after, kPage), "list");
    if (page.empty()) return found;
    after = page.back().id;
    for (NodeRecord& record : page) {
      if (Matches(record, match)) found.push_back(std::move(record));
    }
  }
}

Result<std::vector<NodeRecord>> FindNamed(View& view, const std::string& trust_domain,
                                          const std::vector<std::string>& names) {
  std::vector<NodeRecord> found;
  for (const std::string& name : names) {
    auto record = FindNodeByName(view, trust_domain, name);
    if (!record) return std::unexpected(std::move(record.error()));
    if (std::ranges::find(found, record->id, &NodeRecord::id) == found.end())
      found.push_back(*std::move(record));
  }
  return found;
}

// Whether the operator's word was followed before.
bool IsSettled(const NodeRecord& record, bool deny) {
  if (deny) return record.standing == Standing::kBarred;
  return record.standing == Standing::kAllowed || record.standing == Standing::kActive ||
         record.standing == Standing::kRefused;
}

Result<void> CheckWaits(const NodeRecord& record, bool deny) {
  if (record.standing == Standing::kPending) return {};
  return Fail(Code::kConflict,
              fmt::format("node {} is {}: it does not wait for approval", record.id,
                          StandingName(record.standing)),
              {.name = "node-not-pending",
               .advice = fmt::format("If that is what you want: lodekey node {} {}",
                                     deny ? "remove" : "allow", record.id)});
}

OperatorAction Settle(NodeRecord& record, const ApprovalRequest& request,
                      const std::string& actor) {
  OperatorAction action{.event = request.deny ? "node.denied" : "node.approved",
                        .actor = actor,
                        .node = record.id,
                        .before = std::string(StandingName(record.standing)),
                        .shown = record.shown};
  if (request.deny) {
    record.standing = Standing::kBarred;
    record.enrolment.reset();
    record.nonces.clear();
  } else {
    Readmit(record);
    record.labels = MergeLabels(std::move(record.labels), request.labels);
    action.detail = JoinLabels(record.labels);
  }
  return action;
}

Result<ApprovedNodes> SettleAll(Transaction& transaction, const Context& context,
                                const ApprovalRequest& request, const std::string& actor) {
  const Time now = context.now();
  ApprovedNodes outcome;
  auto found = request.nodes.empty()
                   ? FindWaiting(transaction, request.match)
                   : FindNamed(transaction, context.config.trust_domain, request.nodes);
  if (!found) return std::unexpected(std::move(found.error()));
  outcome.nodes = *std::move(found);
  for (NodeRecord& record : outcome.nodes) {
    if (IsSettled(record, request.deny)) continue;
    if (auto waits = CheckWaits(record, request.deny); !waits)
      return std::unexpected(waits.error());
    const OperatorAction action = Settle(record, request, actor);
    record.updated = now;
    if (auto put = transaction.PutNode(record); !put) return std::unexpected(put.error());
    ++record.revision;
    transaction.Audit(OperatorRecord(action, now));
    outcome.changed.push_back(record.id);
  }
  return outcome;
}

}  // namespace

Result<ApprovedNodes> AdmitNodes(const Context& context, const ApprovalRequest& request,
                                 const std::string& actor) {
  Result<ApprovedNodes> outcome;
  const auto kept = CommitIfKept(context.store, [&](Transaction& transaction) -> Result<bool> {
    outcome = SettleAll(transaction, context, request, actor);
    if (!outcome) return std::unexpected(outcome.error());
    return !request.dry_run;
  });
  if (!kept) return std::unexpected(kept.error());
  if (!*kept) return outcome;
  for (const NodeId& id : outcome->changed) context.node_changed(id);
  return outcome;
}

}  // namespace lodekey::issuer
