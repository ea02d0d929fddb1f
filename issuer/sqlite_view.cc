#include "issuer/sqlite_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/audit_outbox.h"
#include "issuer/entry_record.h"
#include "issuer/node_limits.h"
#include "issuer/sqlite_decisions.h"
#include "issuer/sqlite_policies.h"
#include "issuer/sqlite_rows.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

// Columns of every query for nodes: id, revision, standing, state.
Result<NodeRecord> ReadNode(const Query& row) {
  ASSIGN_OR_RETURN(NodeId id, row.Text(0, 64), "read the id");
  ASSIGN_OR_RETURN(const uint64_t revision, row.Unsigned(1), "read the revision");
  ASSIGN_OR_RETURN(const std::string standing_name, row.Text(2, 32), "read the standing");
  ASSIGN_OR_RETURN(const Standing standing, ParseStanding(standing_name), "read the standing");
  ASSIGN_OR_RETURN(const Bytes state, row.Blob(3, kMaxNodeState), "read the state");
  return DecodeNodeState(std::move(id), revision, standing, AsText(state));
}

// Columns of every query for credentials.
#define LODEKEY_CREDENTIAL_COLUMNS                                                                 \
  "serial, node, spiffe_id, not_before, not_after, tbs_digest, evidence_time, audit_seq, voided, " \
  "kind, entry FROM credential "

Result<CredentialRecord> ReadCredential(const Query& row, uint64_t durable_seq) {
  CredentialRecord record;
  ASSIGN_OR_RETURN(record.serial, row.Blob(0, kMaxSerial), "read the serial");
  ASSIGN_OR_RETURN(record.node, row.Text(1, 64), "read the node");
  ASSIGN_OR_RETURN(record.spiffe_id, row.Text(2, kMaxSpiffeId), "read the SPIFFE id");
  ASSIGN_OR_RETURN(record.not_before, row.TimeAt(3), "read notBefore");
  ASSIGN_OR_RETURN(record.not_after, row.TimeAt(4), "read notAfter");
  ASSIGN_OR_RETURN(record.tbs_digest, row.Blob(5, 32), "read the digest");
  ASSIGN_OR_RETURN(record.evidence_time, row.TimeAt(6), "read the time of the evidence");
  ASSIGN_OR_RETURN(record.audit_seq, row.Unsigned(7), "read the audit line's number");
  ASSIGN_OR_RETURN(const uint64_t voided, row.Unsigned(8), "read whether it is void");
  ASSIGN_OR_RETURN(const std::string kind, row.Text(9, 16), "read the kind");
  ASSIGN_OR_RETURN(record.kind, ParseCredentialKind(kind), "read the kind");
  ASSIGN_OR_RETURN(record.entry, row.Text(10, kMaxEntryId), "read the entry");
  const bool durable = record.audit_seq <= durable_seq;
  record.state = voided != 0 ? CredentialState::kVoid
                 : durable   ? CredentialState::kIssued
                             : CredentialState::kPending;
  return record;
}

Result<ReferencePcr> ReadReference(const Query& row) {
  ReferencePcr reference;
  ASSIGN_OR_RETURN(reference.group, row.Text(0, kMaxLabelValue), "read the group");
  ASSIGN_OR_RETURN(const std::string bank, row.Text(1, 16), "read the bank");
  ASSIGN_OR_RETURN(reference.bank, crypto::ParseHashName(bank), "read the bank");
  ASSIGN_OR_RETURN(const uint64_t pcr, row.Unsigned(2), "read the register");
  reference.pcr = static_cast<uint8_t>(std::min<uint64_t>(pcr, 0xff));
  ASSIGN_OR_RETURN(reference.value, row.Blob(3, 64), "read the value");
  ASSIGN_OR_RETURN(reference.approved, row.TimeAt(4), "read the time of approval");
  ASSIGN_OR_RETURN(reference.approved_by, row.Text(5, kMaxApprover), "read who approved");
  RETURN_IF_ERROR(CheckReference(reference), "read a reference value");
  return reference;
}

// Columns of every query for entries: id, revision, content.
Result<attest::Entry> ReadEntry(const Query& row) {
  ASSIGN_OR_RETURN(std::string id, row.Text(0, kMaxEntryId), "read the id");
  ASSIGN_OR_RETURN(const uint64_t revision, row.Unsigned(1), "read the revision");
  ASSIGN_OR_RETURN(const Bytes content, row.Blob(2, kMaxEntryContent), "read the entry");
  return DecodeEntryContent(std::move(id), revision, content);
}

}  // namespace

template <std::derived_from<View> Interface>
Result<std::optional<NodeRecord>> SqliteReads<Interface>::FindNode(const NodeId& id) {
  return ReadOne<NodeRecord>(
      database_.Prepare("SELECT id, revision, standing, state FROM node WHERE id = ?1", id),
      ReadNode);
}

template <std::derived_from<View> Interface>
Result<std::optional<NodeRecord>> SqliteReads<Interface>::FindNodeByEk(const std::string& ek_hash) {
  return ReadOne<NodeRecord>(
      database_.Prepare("SELECT id, revision, standing, state FROM ek JOIN node ON id = node "
                        "WHERE hash = ?1",
                        ek_hash),
      ReadNode);
}

template <std::derived_from<View> Interface>
Result<std::vector<NodeRecord>> SqliteReads<Interface>::ListNodes(const NodeId& after,
                                                                  size_t limit) {
  return ReadAll<NodeRecord>(
      database_.Prepare("SELECT id, revision, standing, state FROM node WHERE id > ?1 "
                        "ORDER BY id LIMIT ?2",
                        after, AsLimit(limit)),
      ReadNode);
}

template <std::derived_from<View> Interface>
Result<std::vector<NodeRecord>> SqliteReads<Interface>::ListNodesOf(Standing standing,
                                                                    const NodeId& after,
                                                                    size_t limit) {
  return ReadAll<NodeRecord>(
      database_.Prepare("SELECT id, revision, standing, state FROM node WHERE standing = ?1 AND "
                        "id > ?2 ORDER BY id LIMIT ?3",
                        StandingName(standing), after, AsLimit(limit)),
      ReadNode);
}

template <std::derived_from<View> Interface>
Result<std::vector<ReferencePcr>> SqliteReads<Interface>::ListReferences(const std::string& group) {
  return ReadAll<ReferencePcr>(
      database_.Prepare("SELECT node_group, bank, pcr, value, approved, approved_by "
                        "FROM reference_pcr WHERE node_group = ?1 ORDER BY bank, pcr, value",
                        group),
      ReadReference);
}

template <std::derived_from<View> Interface>
Result<std::optional<CredentialRecord>> SqliteReads<Interface>::FindCredential(ByteView serial) {
  return ReadOne<CredentialRecord>(
      database_.Prepare("SELECT " LODEKEY_CREDENTIAL_COLUMNS "WHERE serial = ?1", serial),
      [this](const Query& row) { return ReadCredential(row, durable_seq_); });
}

template <std::derived_from<View> Interface>
Result<std::vector<CredentialRecord>> SqliteReads<Interface>::ListCredentials(const NodeId& node,
                                                                              size_t limit) {
  return ReadAll<CredentialRecord>(
      database_.Prepare("SELECT " LODEKEY_CREDENTIAL_COLUMNS
                        "WHERE node = ?1 ORDER BY audit_seq DESC LIMIT ?2",
                        node, AsLimit(limit)),
      [this](const Query& row) { return ReadCredential(row, durable_seq_); });
}

template <std::derived_from<View> Interface>
Result<std::optional<attest::Entry>> SqliteReads<Interface>::FindEntry(const std::string& id) {
  return ReadOne<attest::Entry>(
      database_.Prepare("SELECT id, revision, content FROM entry WHERE id = ?1", id), ReadEntry);
}

template <std::derived_from<View> Interface>
Result<std::vector<attest::Entry>> SqliteReads<Interface>::ListEntries(const std::string& after,
                                                                       size_t limit) {
  return ReadAll<attest::Entry>(
      database_.Prepare("SELECT id, revision, content FROM entry WHERE id > ?1 "
                        "ORDER BY id LIMIT ?2",
                        after, AsLimit(limit)),
      ReadEntry);
}

template <std::derived_from<View> Interface>
Result<uint64_t> SqliteReads<Interface>::CountEntries() {
  return ReadNumber(database_.Prepare("SELECT count(*) FROM entry"));
}

template <std::derived_from<View> Interface>
Result<std::optional<std::string>> SqliteReads<Interface>::FindAlike(const attest::Entry& entry) {
  const crypto::Sha256Digest likeness = attest::EntryLikeness(entry);
  return ReadOne<std::string>(
      database_.Prepare("SELECT id FROM entry WHERE likeness = ?1 AND id <> ?2", ByteView(likeness),
                        entry.id),
      [](const Query& row) { return row.Text(0, kMaxEntryId); });
}

template <std::derived_from<View> Interface>
Result<std::optional<PolicyRecord>> SqliteReads<Interface>::CurrentPolicy() {
  return PolicyTable(database_).Current();
}

template <std::derived_from<View> Interface>
Result<std::optional<PolicyRecord>> SqliteReads<Interface>::FindPolicy(uint64_t version) {
  return PolicyTable(database_).Find(version);
}

template <std::derived_from<View> Interface>
Result<std::vector<PolicyRecord>> SqliteReads<Interface>::ListPolicies(size_t limit) {
  return PolicyTable(database_).List(limit);
}

template <std::derived_from<View> Interface>
Result<std::vector<DecisionRecord>> SqliteReads<Interface>::ListDecisions(
    const DecisionFilter& filter, size_t limit) {
  return DecisionTable(database_).List(filter, limit);
}

template <std::derived_from<View> Interface>
Result<std::optional<DecisionRecord>> SqliteReads<Interface>::FindDecision(ByteView prefix) {
  return DecisionTable(database_).Find(prefix);
}

template <std::derived_from<View> Interface>
Result<std::optional<DecisionRecord>> SqliteReads<Interface>::LastStanding(const NodeId& node) {
  return DecisionTable(database_).LastStanding(node);
}

template <std::derived_from<View> Interface>
Result<uint64_t> SqliteReads<Interface>::CountNodes(Standing standing) {
  return ReadNumber(
      database_.Prepare("SELECT count(*) FROM node WHERE standing = ?1", StandingName(standing)));
}

template <std::derived_from<View> Interface>
Result<std::optional<NodeId>> SqliteReads<Interface>::FindNodeByDevId(ByteView devid) {
  return ReadOne<NodeId>(
      database_.Prepare("SELECT id FROM node WHERE devid = ?1 AND devid <> x''", devid),
      [](const Query& row) { return row.Text(0, 64); });
}

template <std::derived_from<View> Interface>
Result<bool> SqliteReads<Interface>::HasLog(ByteView digest) {
  ASSIGN_OR_RETURN(Query query, database_.Prepare("SELECT 1 FROM log WHERE digest = ?1", digest),
                   "look for a log");
  return query.Step();
}

template <std::derived_from<View> Interface>
Result<std::optional<Bytes>> SqliteReads<Interface>::FindLog(ByteView digest) {
  return ReadOne<Bytes>(database_.Prepare("SELECT content FROM log WHERE digest = ?1", digest),
                        [](const Query& row) { return row.Blob(0, kMaxLogBytes); });
}

template <std::derived_from<View> Interface>
Result<crypto::ChainHead> SqliteReads<Interface>::AuditHead() {
  ASSIGN_OR_RETURN(const AuditMarks marks, AuditOutbox(database_).ReadMarks(),
                   "read the head of the audit chain");
  return marks.head;
}

template class SqliteReads<View>;
template class SqliteReads<Transaction>;

}  // namespace lodekey::issuer
