#include "issuer/inventory.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/audit_record.h"
#include "issuer/node_limits.h"
#include "lodekey/verdict/v1/verdict.pb.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kShortestPrefix = 8;

std::string IdOf(const Context& context, const std::string& name) {
  const std::string prefix = fmt::format("spiffe://{}/node/", context.config.trust_domain);
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

bool IsHexText(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::unexpected<Error> NotFound(const std::string& name) {
  return Fail(Code::kNotFound, fmt::format("there is no node '{}'", name),
              {.name = "node-not-found", .advice = "List the nodes with: lodekey node list"});
}

// A prefix names a node when exactly one id begins with it.
Result<std::optional<NodeRecord>> FindByPrefix(View& view, const std::string& prefix) {
  ASSIGN_OR_RETURN(auto found, view.ListNodes(prefix, 2), "find the node");
  std::erase_if(found, [&](const NodeRecord& record) { return !record.id.starts_with(prefix); });
  if (found.size() > 1) {
    return Fail(Code::kConflict, fmt::format("more than one node begins with '{}'", prefix),
                {.name = "node-ambiguous", .advice = "Give more digits of the node's id."});
  }
  if (found.empty()) return std::optional<NodeRecord>();
  return std::optional(std::move(found.front()));
}

std::string JoinLabels(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : labels)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

// The ledger's register as the last judged evidence stated it. Its value is this host's alone: as a
// reference it would shut out every other host of the group.
std::optional<tpm::PcrMask> StatedLedger(const NodeRecord& record, tpm::PcrMask allowed) {
  lodekey::verdict::v1::Verdict verdict;
  if (!verdict.ParseFromString(record.last_verdict)) return std::nullopt;
  for (const auto& fact : verdict.facts()) {
    if (fact.name() == "ledger-register")
      return tpm::ParsePcrMask(fact.value()).value_or(0) & allowed;
  }
  return std::nullopt;
}

tpm::PcrMask LedgerMask(const NodeRecord& record, tpm::PcrMask allowed) {
  const auto stated = StatedLedger(record, allowed);
  if (!record.enrolment) return stated.value_or(allowed);
  const uint8_t enrolled = record.enrolment->ledger_pcr;
  return stated.value_or(0) | (enrolled < tpm::kPcrCount ? 1U << enrolled : 0);
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

}  // namespace

Result<NodeRecord> Inventory::Find(const std::string& name) const {
  const std::string id = IdOf(context_, name);
  std::optional<NodeRecord> record;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    if (IsKeyHash(id)) {
      ASSIGN_OR_RETURN(record, view.FindNodeByEk(id), "find the node");
    } else if (id.size() >= kShortestPrefix && id.size() < 64 && IsHexText(id)) {
      ASSIGN_OR_RETURN(record, FindByPrefix(view, id), "find the node");
    }
    return {};
  }),
                  "inventory");
  if (!record) return NotFound(name);
  return *std::move(record);
}

Result<void> Inventory::Commit(const NodeRecord& record, const std::string& audit) const {
  RETURN_IF_ERROR(context_.store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    RETURN_IF_ERROR(transaction.PutNode(record), "store the node");
    transaction.Audit(audit);
    return {};
  }),
                  "inventory");
  return {};
}

Result<ChangedNode> Inventory::Allow(const std::string& ek_hash,
                                     const std::map<std::string, std::string>& labels,
                                     const std::string& actor) const {
  if (!IsKeyHash(ek_hash)) {
    return Fail(
        Code::kInvalidArgument, fmt::format("'{}' is not the hash of an endorsement key", ek_hash),
        {.name = "ek-hash-invalid",
         .advice = "Give the 64 lower-case hex digits that 'lodekey ek' prints on the host."});
  }
  const auto existing = Find(ek_hash);
  if (!existing && existing.error().Name() != "node-not-found")
    return std::unexpected(existing.error());
  const Time now = context_.now();
  NodeRecord record =
      existing ? *existing : NodeRecord{.id = ek_hash, .created = now, .ek_hashes = {ek_hash}};
  const bool barred =
      record.standing == Standing::kRemoved || record.standing == Standing::kQuarantined;
  if (existing && !barred && (labels.empty() || labels == record.labels))
    return ChangedNode{.changed = false, .record = std::move(record)};
  if (barred) {
    // As before its first enrolment: what the barred boot established binds nothing.
    record.standing = Standing::kAllowed;
    record.enrolment.reset();
    record.reset_count_decreased.reset();
    record.nonces.clear();
  }
  if (!labels.empty()) record.labels = labels;
  record.updated = now;
  RETURN_IF_ERROR(CheckNodeRecord(record), "allow the node");
  RETURN_IF_ERROR(Commit(record, OperatorRecord({.event = "node.allowed",
                                                 .actor = actor,
                                                 .node = record.id,
                                                 .detail = JoinLabels(record.labels)},
                                                now)),
                  "allow the node");
  return ChangedNode{.changed = true, .record = std::move(record)};
}

Result<ChangedNode> Inventory::Remove(const std::string& name, const std::string& actor) const {
  ASSIGN_OR_RETURN(NodeRecord record, Find(name), "remove the node");
  if (record.standing == Standing::kRemoved)
    return ChangedNode{.changed = false, .record = std::move(record)};
  const Time now = context_.now();
  record.standing = Standing::kRemoved;
  record.nonces.clear();
  record.updated = now;
  RETURN_IF_ERROR(
      Commit(record,
             OperatorRecord({.event = "node.removed", .actor = actor, .node = record.id}, now)),
      "remove the node");
  return ChangedNode{.changed = true, .record = std::move(record)};
}

Result<bool> Inventory::AreSettled(const std::string& group,
                                   const std::vector<ReferencePcr>& approved, bool replace) const {
  std::vector<ReferencePcr> known;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(known, view.ListReferences(group), "references");
    return {};
  }),
                  "references");
  const bool all_known = std::ranges::all_of(
      approved, [&](const ReferencePcr& reference) { return Has(known, reference); });
  return all_known && (!replace || Others(known, approved).empty());
}

tpm::PcrMask Inventory::SharedPcrs(const NodeRecord& record) const {
  constexpr tpm::PcrMask kIma = 1U << 10;
  return record.last_pcrs.mask() & ~kIma &
         ~LedgerMask(record, context_.config.appraisal.ledger_registers);
}

Result<ApprovedPcrs> Inventory::ApprovePcrs(const std::string& name, const tpm::PcrBank& seen,
                                            bool replace, const std::string& actor) const {
  ASSIGN_OR_RETURN(NodeRecord record, Find(name), "approve PCRs");
  RETURN_IF_ERROR(CheckSeen(record, seen), "approve PCRs");
  const Time now = context_.now();
  std::vector<ReferencePcr> approved = ReferencesOf(record, seen, now, actor);
  ASSIGN_OR_RETURN(const bool settled, AreSettled(record.Group(), approved, replace),
                   "approve PCRs");
  if (!AcceptBoot(record, approved) && settled) {
    return ApprovedPcrs{
        .changed = false, .record = std::move(record), .approved = std::move(approved)};
  }
  record.updated = now;
  const std::string audit = OperatorRecord(
      {.event = "pcrs.approved",
       .actor = actor,
       .node = record.id,
       .detail = fmt::format("group {}: {}:{}{}", record.Group(), crypto::HashName(seen.alg),
                             tpm::FormatPcrMask(seen.mask()), replace ? ", replacing" : "")},
      now);
  RETURN_IF_ERROR(context_.store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    ASSIGN_OR_RETURN(const auto present, transaction.ListReferences(record.Group()), "references");
    for (const ReferencePcr& other :
         replace ? Others(present, approved) : std::vector<ReferencePcr>()) {
      RETURN_IF_ERROR(transaction.DeleteReference(other), "references");
    }
    for (const ReferencePcr& reference : approved)
      RETURN_IF_ERROR(transaction.PutReference(reference), "references");
    RETURN_IF_ERROR(transaction.PutNode(record), "store the node");
    transaction.Audit(audit);
    return {};
  }),
                  "approve PCRs");
  return ApprovedPcrs{
      .changed = true, .record = std::move(record), .approved = std::move(approved)};
}

Result<ChangedNode> Inventory::ApproveAk(const std::string& name, ByteView seen,
                                         const std::string& actor) const {
  ASSIGN_OR_RETURN(NodeRecord record, Find(name), "approve the attestation key");
  if (!record.pending_ak || !Equal(record.pending_ak->ak_name, seen)) {
    if (!seen.empty() && (Equal(record.approved_ak, seen) || EnrolledWith(record, seen)))
      return ChangedNode{.changed = false, .record = std::move(record)};
    return NotPending(record);
  }
  const Time now = context_.now();
  record.approved_ak = record.pending_ak->ak_name;
  record.pending_ak.reset();
  record.updated = now;
  RETURN_IF_ERROR(Commit(record, OperatorRecord({.event = "ak.approved",
                                                 .actor = actor,
                                                 .node = record.id,
                                                 .detail = ToHex(record.approved_ak)},
                                                now)),
                  "approve the attestation key");
  return ChangedNode{.changed = true, .record = std::move(record)};
}

}  // namespace lodekey::issuer
