#include "issuer/audit_recovery.h"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "issuer/audit_outbox.h"
#include "issuer/node_limits.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

struct PendingCredential {
  Bytes serial;
  std::string node;
  std::string spiffe_id;
  uint64_t audit_seq = 0;
};

Result<std::vector<PendingCredential>> ListPending(Database& database, uint64_t durable_seq) {
  ASSIGN_OR_RETURN(Query query,
                   database.Prepare("SELECT serial, node, spiffe_id, audit_seq FROM credential "
                                    "WHERE audit_seq > ?1 AND voided = 0 ORDER BY audit_seq",
                                    durable_seq),
                   "prepare");
  std::vector<PendingCredential> pending;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step(), "step");
    if (!found) return pending;
    PendingCredential& credential = pending.emplace_back();
    ASSIGN_OR_RETURN(credential.serial, query.Blob(0, kMaxSerial), "read the serial");
    ASSIGN_OR_RETURN(credential.node, query.Text(1, 64), "read the node");
    ASSIGN_OR_RETURN(credential.spiffe_id, query.Text(2, kMaxSpiffeId), "read the SPIFFE id");
    ASSIGN_OR_RETURN(credential.audit_seq, query.Unsigned(3), "read the line's number");
  }
}

std::string VoidRecord(const PendingCredential& credential, Time now) {
  nlohmann::ordered_json record;
  record["time"] = FormatTime(now);
  record["event"] = "credential.void";
  record["node"] = credential.node;
  record["spiffe_id"] = credential.spiffe_id;
  record["serial"] = ToHex(credential.serial);
  record["line"] = credential.audit_seq;
  record["reason"] = "the line of its issuance was not durable: it was never given out";
  // Bytes that are no UTF-8, put there by another hand, must not end the process.
  return record.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

Result<void> VoidPending(Database& database, const AuditLog& log, Time now) {
  AuditOutbox outbox(database);
  ASSIGN_OR_RETURN(auto scope, TransactionScope::Begin(database, TransactionScope::Kind::kWrite),
                   "begin");
  ASSIGN_OR_RETURN(AuditMarks marks, outbox.ReadMarks(), "read the marks");
  ASSIGN_OR_RETURN(const auto pending, ListPending(database, log.head().seq), "list");
  for (const PendingCredential& credential : pending) {
    RETURN_IF_ERROR(
        database.Run("UPDATE credential SET voided = 1 WHERE serial = ?1", credential.serial),
        "void a credential");
    const std::string line =
        crypto::FormatChainLine(marks.head, VoidRecord(credential, now), log.key(), marks.head);
    RETURN_IF_ERROR(outbox.Put(marks.head.seq, line), "keep an audit line");
  }
  if (!pending.empty() || marks.durable != log.head()) {
    marks.durable = log.head();
    RETURN_IF_ERROR(outbox.StoreMarks(marks), "keep the marks");
  }
  return scope.Commit();
}

}  // namespace

Result<crypto::ChainHead> BringAuditLogUpToDate(Database& database, AuditLog& log, Time now) {
  AuditOutbox outbox(database);
  // Compared before anything is changed.
  RETURN_IF_ERROR(outbox.LinesAfter(log.head(), log.key().public_key()),
                  "compare the audit log with the database");
  RETURN_IF_ERROR(VoidPending(database, log, now), "void credentials that were not recorded");
  ASSIGN_OR_RETURN(const std::string missing, outbox.LinesAfter(log.head(), log.key().public_key()),
                   "find the lines that the audit log lacks");
  ASSIGN_OR_RETURN(const AuditMarks marks, outbox.ReadMarks(), "read the head of the chain");
  if (!missing.empty()) RETURN_IF_ERROR(log.Append(missing, marks.head), "complete the audit log");
  return marks.head;
}

}  // namespace lodekey::issuer
