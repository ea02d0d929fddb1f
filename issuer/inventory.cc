#include "issuer/inventory.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "issuer/node_admission.h"
#include "issuer/node_name.h"
#include "lodekey/verdict/v1/verdict.pb.h"

namespace lodekey::issuer {
namespace {

// The ledger's register as the last judged evidence stated it; 0 when it stated none.
tpm::PcrMask StatedLedger(const NodeRecord& record) {
  lodekey::verdict::v1::Verdict verdict;
  if (!verdict.ParseFromString(record.last_verdict)) return 0;
  for (const auto& fact : verdict.facts()) {
    if (fact.name() == "ledger-register") return tpm::ParsePcrMask(fact.value()).value_or(0);
  }
  return 0;
}

// Where the node's ledger may be. Its value is this host's alone: as a reference it would shut out
// every other host of the group. A host that states no register, or one that holds none, must not
// bring that about: then it is any of those that may hold one.
tpm::PcrMask LedgerMask(const NodeRecord& record, tpm::PcrMask allowed) {
  const tpm::PcrMask stated = StatedLedger(record) & allowed;
  const uint8_t enrolled = record.enrolment ? record.enrolment->ledger_pcr : attest::kNoLedger;
  return (stated == 0 ? allowed : stated) | (enrolled < tpm::kPcrCount ? 1U << enrolled : 0);
}

// What the operator saw is compared before anything is approved: evidence that arrived between the
// look and the approval is looked at first.
Result<void> CheckSeen(const NodeRecord& record, const tpm::PcrBank& seen) {
  if (seen.values.empty()) {
    return Fail(
        Code::kInvalidArgument, "the approval names no PCR value",
        {.name = "values-missing",
         .advice = "Look at the node and approve what it shows: lodekey node show " + record.id});
  }
  tpm::PcrMask changed = 0;
  for (const auto& [pcr, value] : seen.values) {
    const auto now = record.last_pcrs.values.find(pcr);
    const bool same = record.last_pcrs.alg == seen.alg && now != record.last_pcrs.values.end() &&
                      now->second == value;
    if (!same) changed |= 1U << pcr;
  }
  if (changed == 0) return {};
  return Fail(
      Code::kConflict,
      fmt::format("new evidence of the node has other values in PCR {} than the ones to be "
                  "approved; nothing is changed",
                  tpm::FormatPcrMask(changed)),
      {.name = "evidence-changed",
       .advice = "Look at it again, then approve what it shows: lodekey node show " + record.id});
}

// The ledger's value names this host's key: as a reference it would shut out every other host.
Result<void> CheckNoLedger(tpm::PcrMask asked, tpm::PcrMask ledger) {
  if ((asked & ledger) == 0) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("PCR {} holds the ledger of this host, whose value no other host has",
                          tpm::FormatPcrMask(asked & ledger)),
              {.name = "pcr-of-ledger", .advice = "Approve the other registers (--pcr)."});
}

bool EnrolledWith(const NodeRecord& record, ByteView ak_name) {
  if (!record.enrolment) return false;
  const auto ak = tpm::PublicArea::Parse(record.enrolment->ak_public);
  return ak && Equal(ak->name(), ak_name);
}

bool SameValue(const ReferencePcr& a, const ReferencePcr& b) {
  return a.bank == b.bank && a.pcr == b.pcr && a.value == b.value;
}

bool Has(const std::vector<ReferencePcr>& references, const ReferencePcr& wanted) {
  return std::ranges::any_of(
      references, [&](const ReferencePcr& reference) { return SameValue(reference, wanted); });
}

bool HasAll(const std::vector<ReferencePcr>& references, const std::vector<ReferencePcr>& wanted) {
  return std::ranges::all_of(
      wanted, [&](const ReferencePcr& reference) { return Has(references, reference); });
}

// Other values of the registers that are being approved.
std::vector<ReferencePcr> Others(const std::vector<ReferencePcr>& known,
                                 const std::vector<ReferencePcr>& approved) {
  std::vector<ReferencePcr> others;
  std::ranges::copy_if(known, std::back_inserter(others), [&](const ReferencePcr& reference) {
    const auto same_register = [&](const ReferencePcr& wanted) {
      return wanted.bank == reference.bank && wanted.pcr == reference.pcr;
    };
    return std::ranges::any_of(approved, same_register) && !Has(approved, reference);
  });
  return others;
}

std::vector<ReferencePcr> ReferencesOf(const NodeRecord& record, const tpm::PcrBank& seen, Time now,
                                       const std::string& actor) {
  std::vector<ReferencePcr> references;
  references.reserve(seen.values.size());
  for (const auto& [pcr, value] : seen.values) {
    references.push_back({.group = record.Group(),
                          .bank = seen.alg,
                          .pcr = pcr,
                          .value = value,
                          .approved = now,
                          .approved_by = actor});
  }
  return references;
}

// The operator accepts this boot as it now is. Returns whether that is news.
bool AcceptBoot(NodeRecord& record, const std::vector<ReferencePcr>& approved) {
  if (!record.enrolment || record.enrolment->static_pcrs.alg != record.last_pcrs.alg) return false;
  bool changed = false;
  for (const ReferencePcr& reference : approved) {
    Bytes& value = record.enrolment->static_pcrs.values[reference.pcr];
    changed |= value != reference.value;
    value = reference.value;
  }
  return changed;
}

std::unexpected<Error> NotPending(const NodeRecord& record) {
  if (!record.pending_ak) {
    return Fail(Code::kNotFound, "no other attestation key waits for approval on this node",
                {.name = "no-pending-ak",
                 .advice = "Let the host try to enrol first; its refusal shows the key."});
  }
  return Fail(
      Code::kConflict,
      fmt::format("another attestation key waits for approval by now, {}; nothing is changed",
                  ToHex(record.pending_ak->ak_name)),
      {.name = "ak-changed",
       .advice = "Look again, and find out which agent on the host made it: lodekey node show " +
                 record.id});
}

std::string MaskOf(std::span<const ReferencePcr> references) {
  tpm::PcrMask mask = 0;
  for (const ReferencePcr& reference : references) mask |= 1U << reference.pcr;
  return tpm::FormatPcrMask(mask);
}

// What became of `references`, on as many lines as it takes: a group may have gathered any number.
std::vector<OperatorAction> ReferenceActions(std::string_view event,
                                             const std::vector<ReferencePcr>& references,
                                             const std::string& actor, const NodeRecord& record) {
  std::vector<OperatorAction> actions;
  for (auto rest = std::span(references); !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), kMaxAuditValues));
    rest = rest.subspan(part.size());
    actions.push_back({.event = event,
                       .actor = actor,
                       .node = record.id,
                       .detail = fmt::format("group {}: {}:{}", record.Group(),
                                             crypto::HashName(part.front().bank), MaskOf(part)),
                       .values = {part.begin(), part.end()}});
  }
  return actions;
}

}  // namespace

Result<NodeRecord> Inventory::Find(const std::string& name) const {
  Result<NodeRecord> found;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    found = FindNodeByName(view, context_.config.trust_domain, name);
    return {};
  }),
                  "inventory");
  return found;
}

Result<ChangedNode> Inventory::Commit(const Edit& edit) const {
  ChangedNode outcome;
  Result<Actions> actions;
  const auto committed =
      context_.store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
        outcome = {};
        const Time now = context_.now();
        actions = edit(transaction, outcome.record, now);
        if (!actions) return std::unexpected(actions.error());
        outcome.changed = !actions->empty();
        if (!outcome.changed) return {};
        outcome.record.updated = now;
        RETURN_IF_ERROR(transaction.PutNode(outcome.record), "store the node");
        for (const OperatorAction& action : *actions)
          transaction.Audit(OperatorRecord(action, now));
        return {};
      });
  // Why nothing was done, without the store's words around it.
  if (!actions) return std::unexpected(std::move(actions.error()));
  RETURN_IF_ERROR(committed, "inventory");
  if (outcome.changed) context_.node_changed(outcome.record.id);
  return outcome;
}

Result<ChangedNode> Inventory::Allow(const std::string& ek_hash,
                                     const std::map<std::string, std::string>& labels,
                                     const std::string& actor) const {
  return Commit([&](Transaction& transaction, NodeRecord& record, Time now) -> Result<Actions> {
    auto allowed = AllowIn(transaction, ek_hash, labels, now);
    if (!allowed) return std::unexpected(std::move(allowed.error()));
    record = std::move(allowed->record);
    if (!allowed->changed) return Actions();
    return Actions{AllowAction(record, allowed->before, actor)};
  });
}

Result<ChangedNode> Inventory::Remove(const std::string& name, const std::string& actor) const {
  return Commit([&](Transaction& transaction, NodeRecord& record, Time) -> Result<Actions> {
    ASSIGN_OR_RETURN(record, FindNodeByName(transaction, context_.config.trust_domain, name),
                     "remove the node");
    if (record.standing == Standing::kRemoved) return Actions();
    const std::string before(StandingName(record.standing));
    record.standing = Standing::kRemoved;
    record.devid.clear();  // another chip may have its key now
    record.nonces.clear();
    return Actions{{.event = "node.removed", .actor = actor, .node = record.id, .before = before}};
  });
}

tpm::PcrMask Inventory::SharedPcrs(const NodeRecord& record) const {
  constexpr tpm::PcrMask kIma = 1U << 10;
  return record.last_pcrs.mask() & ~kIma &
         ~LedgerMask(record, context_.policy.Current()->appraisal.ledger_registers);
}

Result<ApprovedPcrs> Inventory::ApprovePcrs(const std::string& name, const tpm::PcrBank& seen,
                                            bool replace, const std::string& actor) const {
  std::vector<ReferencePcr> approved;
  const auto approve = [&](Transaction& transaction, NodeRecord& record,
                           Time now) -> Result<Actions> {
    ASSIGN_OR_RETURN(record, FindNodeByName(transaction, context_.config.trust_domain, name),
                     "find the node");
    RETURN_IF_ERROR(CheckSeen(record, seen), "compare with what was seen");
    const tpm::PcrMask ledger =
        LedgerMask(record, context_.policy.Current()->appraisal.ledger_registers);
    RETURN_IF_ERROR(CheckNoLedger(seen.mask(), ledger), "approve PCRs");
    approved = ReferencesOf(record, seen, now, actor);
    ASSIGN_OR_RETURN(const auto known, transaction.ListReferences(record.Group()), "references");
    const auto forgotten = replace ? Others(known, approved) : std::vector<ReferencePcr>();
    const bool settled = forgotten.empty() && HasAll(known, approved);
    if (!AcceptBoot(record, approved) && settled) return Actions();
    for (const ReferencePcr& reference : forgotten)
      RETURN_IF_ERROR(transaction.DeleteReference(reference), "references");
    for (const ReferencePcr& reference : approved)
      RETURN_IF_ERROR(transaction.PutReference(reference), "references");
    Actions actions = ReferenceActions("pcrs.approved", approved, actor, record);
    std::ranges::move(ReferenceActions("pcrs.forgotten", forgotten, actor, record),
                      std::back_inserter(actions));
    return actions;
  };
  ASSIGN_OR_RETURN(ChangedNode outcome, Commit(approve), "approve PCRs");
  return ApprovedPcrs{.changed = outcome.changed,
                      .record = std::move(outcome.record),
                      .approved = std::move(approved)};
}

Result<ChangedNode> Inventory::ApproveAk(const std::string& name, ByteView seen,
                                         const std::string& actor) const {
  return Commit([&](Transaction& transaction, NodeRecord& record, Time) -> Result<Actions> {
    ASSIGN_OR_RETURN(record, FindNodeByName(transaction, context_.config.trust_domain, name),
                     "approve the attestation key");
    if (!record.pending_ak || !Equal(record.pending_ak->ak_name, seen)) {
      if (!seen.empty() && (Equal(record.approved_ak, seen) || EnrolledWith(record, seen)))
        return Actions();
      return NotPending(record);
    }
    record.approved_ak = record.pending_ak->ak_name;
    record.pending_ak.reset();
    return Actions{{.event = "ak.approved",
                    .actor = actor,
                    .node = record.id,
                    .detail = ToHex(record.approved_ak)}};
  });
}

}  // namespace lodekey::issuer
