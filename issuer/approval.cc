#include "issuer/approval.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/writer.h"
#include "crypto/digest.h"
#include "issuer/node_name.h"
#include "issuer/rehearsal.h"

namespace lodekey::issuer {
namespace {

std::unexpected<Error> Short(const std::string& name) {
  return Fail(
      Code::kInvalidArgument, fmt::format("'{}' is not the whole id of a node", name),
      {.name = "node-id-short",
       .advice = "Give all 64 digits, as 'lodekey node pending' prints them: a stranger may "
                 "have an id that begins like another's."});
}

Result<std::vector<NodeRecord>> FindNamed(View& view, const std::string& trust_domain,
                                          const std::vector<std::string>& names) {
  std::vector<NodeRecord> found;
  for (const std::string& name : names) {
    if (!IsWholeName(trust_domain, name)) return Short(name);
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

class Settlement {
 public:
  Settlement(Transaction& transaction, const ApprovalRequest& request, std::string actor, Time now)
      : transaction_(transaction), request_(request), actor_(std::move(actor)), now_(now) {}

  Result<void> SettleNamed(const std::string& trust_domain) {
    auto found = FindNamed(transaction_, trust_domain, request_.nodes);
    if (!found) return std::unexpected(std::move(found.error()));
    for (NodeRecord& record : *found) {
      if (!IsSettled(record, request_.deny)) {
        if (auto waits = CheckWaits(record, request_.deny); !waits) return waits;
      }
      RETURN_IF_ERROR(Take(std::move(record)), "settle a node");
    }
    return {};
  }

  Result<void> SettleSeen() {
    for (const SeenHost& seen : request_.seen) {
      ASSIGN_OR_RETURN(auto record, transaction_.FindNode(seen.id), "find a node");
      const bool as_seen = record && (IsSettled(*record, request_.deny) ||
                                      (record->standing == Standing::kPending &&
                                       Equal(AppearanceOf(*record), seen.appearance)));
      if (!as_seen) {
        outcome_.skipped.push_back(seen.id);
        continue;
      }
      RETURN_IF_ERROR(Take(*std::move(record)), "settle a node");
    }
    return {};
  }

  ApprovedNodes Outcome() && { return std::move(outcome_); }

 private:
  Result<void> Take(NodeRecord record) {
    if (!IsSettled(record, request_.deny)) {
      const OperatorAction action = Settle(record, request_, actor_);
      record.updated = now_;
      RETURN_IF_ERROR(transaction_.PutNode(record), "store a node");
      ++record.revision;
      transaction_.Audit(OperatorRecord(action, now_));
      outcome_.changed.push_back(record.id);
    }
    outcome_.nodes.push_back(std::move(record));
    return {};
  }

  Transaction& transaction_;
  const ApprovalRequest& request_;
  std::string actor_;
  Time now_;
  ApprovedNodes outcome_;
};

Result<ApprovedNodes> SettleAll(Transaction& transaction, const Context& context,
                                const ApprovalRequest& request, const std::string& actor) {
  Settlement settlement(transaction, request, actor, context.now());
  if (auto named = settlement.SettleNamed(context.config.trust_domain); !named)
    return std::unexpected(std::move(named.error()));
  RETURN_IF_ERROR(settlement.SettleSeen(), "settle");
  return std::move(settlement).Outcome();
}

}  // namespace

Bytes AppearanceOf(const NodeRecord& record) {
  Writer writer;
  writer.Sized32("lodekey/appearance/v1").Sized32(record.devid);
  for (const auto* texts : {&record.shown, &record.labels}) {
    writer.U32Be(static_cast<uint32_t>(texts->size()));
    for (const auto& [name, value] : *texts) writer.Sized32(name).Sized32(value);
  }
  return ToBytes(crypto::Sha256(std::move(writer).Finish()));
}

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
