#include "issuer/sqlite_transaction.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "issuer/entry_record.h"
#include "issuer/node_limits.h"
#include "issuer/sqlite_decision_room.h"
#include "issuer/sqlite_decisions.h"
#include "issuer/sqlite_pending.h"
#include "issuer/sqlite_policies.h"
#include "issuer/sqlite_rows.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

// One call of Expire stays short: other changes wait behind it.
constexpr uint64_t kMaxExpired = 10000;
constexpr uint64_t kMaxExpiredLogs = 16;  // rows of up to 4 MiB
constexpr uint64_t kMaxExpiredNodes = 1000;

std::unexpected<Error> Conflict(std::string text, std::string name) {
  return Fail(Code::kConflict, std::move(text), {.name = std::move(name)});
}

// Of a statement whose only foreign key is the node.
Result<void> NodeMustExist(Result<void> outcome) {
  if (outcome) return outcome;
  const std::optional<Detail>& detail = outcome.error().detail;
  if (!detail || detail->number != uint64_t{SQLITE_CONSTRAINT_FOREIGNKEY}) return outcome;
  return Fail(Code::kNotFound, "no such node is stored", {.name = "node-unknown"});
}

Result<std::set<std::string>> StoredKeys(Database& database, const NodeId& node) {
  ASSIGN_OR_RETURN(Query query, database.Prepare("SELECT hash FROM ek WHERE node = ?1", node),
                   "list the node's endorsement keys");
  std::set<std::string> hashes;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step(), "list the node's endorsement keys");
    if (!found) return hashes;
    ASSIGN_OR_RETURN(std::string hash, query.Text(0, 64), "read a hash");
    hashes.insert(std::move(hash));
  }
}

// 0 when nothing is stored.
Result<uint64_t> ImaSize(Database& database, const NodeId& node) {
  ASSIGN_OR_RETURN(Query query,
                   database.Prepare("SELECT start + length(content) FROM ima WHERE node = ?1 "
                                    "ORDER BY start DESC LIMIT 1",
                                    node),
                   "find the end of the IMA list");
  ASSIGN_OR_RETURN(const bool found, query.Step(), "find the end of the IMA list");
  if (!found) return uint64_t{0};
  return query.Unsigned(0);
}

}  // namespace

Result<void> SqliteTransaction::CheckActive() {
  if (database().in_transaction()) return {};
  return Fail(Code::kUnavailable, "the database has ended the transaction",
              {.name = "store-unavailable",
               .advice = "Make the database's file system writable and give it space."});
}

Result<void> SqliteTransaction::PutNode(const NodeRecord& record) {
  RETURN_IF_ERROR(CheckNodeRecord(record), "store a node");
  const std::string state = EncodeNodeState(record);
  if (state.size() > kMaxNodeState) {
    return Fail(Code::kInvalidArgument, "the node's state is too large",
                {.name = "node-state-invalid"});
  }
  RETURN_IF_ERROR(CheckDevId(record), "store a node");
  const std::string_view standing = StandingName(record.standing);
  const ByteView boot_log = record.BootLog();
  if (record.revision == 0) {
    RETURN_IF_ERROR(
        Write("INSERT INTO node (id, revision, standing, state, boot_log, devid, pending_since, "
              "pending_source) VALUES (?1, 1, ?2, ?3, ?4, ?5, "
              "CASE ?2 WHEN 'pending' THEN ?6 END, ?7) "
              "ON CONFLICT DO NOTHING",
              record.id, standing, AsBytes(state), boot_log, record.devid, record.last_seen,
              SourceOfWaiting(record)),
        "insert a node");
  } else {
    RETURN_IF_ERROR(CeaseToNameLog(record), "cease to name a log");
    RETURN_IF_ERROR(
        Write("UPDATE node SET revision = revision + 1, standing = ?3, state = ?4, boot_log = ?5, "
              "devid = ?6, pending_since = CASE ?3 WHEN 'pending' THEN ?7 END, pending_source = ?8 "
              "WHERE id = ?1 AND revision = ?2",
              record.id, record.revision, standing, AsBytes(state), boot_log, record.devid,
              record.last_seen, SourceOfWaiting(record)),
        "update a node");
  }
  if (database().changes() == 0) {
    return Conflict(fmt::format("node {} has another revision than {}", record.id, record.revision),
                    "node-changed");
  }
  if (record.standing != Standing::kActive)
    RETURN_IF_ERROR(DecisionRoom(database()).Release(record.id), "count its decisions");
  return SyncEndorsementKeys(record);
}

// One key, one node: whoever shows another one's has copied it.
Result<void> SqliteTransaction::CheckDevId(const NodeRecord& record) {
  ASSIGN_OR_RETURN(const auto owner, FindNodeByDevId(record.devid), "look the DevID up");
  if (!owner || *owner == record.id) return {};
  return Conflict(fmt::format("node {} enrolled with this DevID key", *owner), "devid-taken");
}

// A node that enrols in another boot leaves its log behind at once: a host may begin as many boots
// as it likes, each with a log of its own. What an operator ended stays for a while.
Result<void> SqliteTransaction::CeaseToNameLog(const NodeRecord& record) {
  const bool enrolled = record.enrolment && record.standing != Standing::kRemoved;
  if (!enrolled) {
    return Write(
        "UPDATE log SET unnamed_since = ?2 WHERE digest = "
        "(SELECT boot_log FROM node WHERE id = ?1)",
        record.id, record.updated);
  }
  return Write(
      "DELETE FROM log WHERE digest <> ?2 AND digest = (SELECT boot_log FROM node WHERE id = ?1) "
      "AND NOT EXISTS (SELECT 1 FROM node WHERE boot_log = log.digest AND id <> ?1)",
      record.id, record.BootLog());
}

Result<void> SqliteTransaction::SyncEndorsementKeys(const NodeRecord& record) {
  ASSIGN_OR_RETURN(const std::set<std::string> stored, StoredKeys(database(), record.id),
                   "compare the endorsement keys");
  const std::set<std::string> wanted(record.ek_hashes.begin(), record.ek_hashes.end());
  for (const std::string& hash : stored) {
    if (wanted.contains(hash)) continue;
    RETURN_IF_ERROR(Write("DELETE FROM ek WHERE hash = ?1", hash), "forget a key");
  }
  for (const std::string& hash : wanted) {
    if (stored.contains(hash)) continue;
    RETURN_IF_ERROR(Write("INSERT INTO ek VALUES (?1, ?2) ON CONFLICT DO NOTHING", hash, record.id),
                    "record a key");
    if (database().changes() == 0) {
      return Conflict(fmt::format("endorsement key {} is recorded for another node", hash),
                      "ek-taken");
    }
  }
  return {};
}

Result<void> SqliteTransaction::UseChallenge(ByteView id, Time expires) {
  RETURN_IF_ERROR(CheckChallenge(id, expires), "use a challenge");
  RETURN_IF_ERROR(
      Write("INSERT INTO challenge VALUES (?1, ?2) ON CONFLICT DO NOTHING", id, expires),
      "use a challenge");
  if (database().changes() == 0) {
    return Conflict("the challenge was used before", "challenge-used");
  }
  return {};
}

Result<void> SqliteTransaction::PutReference(const ReferencePcr& reference) {
  RETURN_IF_ERROR(CheckReference(reference), "store a reference value");
  return Write("INSERT INTO reference_pcr VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
               reference.group, crypto::HashName(reference.bank), uint64_t{reference.pcr},
               reference.value, reference.approved, reference.approved_by);
}

Result<void> SqliteTransaction::DeleteReference(const ReferencePcr& reference) {
  return Write(
      "DELETE FROM reference_pcr WHERE node_group = ?1 AND bank = ?2 AND pcr = ?3 AND value = ?4",
      reference.group, crypto::HashName(reference.bank), uint64_t{reference.pcr}, reference.value);
}

Result<void> SqliteTransaction::PutLog(ByteView digest, ByteView content, Time now) {
  ASSIGN_OR_RETURN(const bool known, HasLog(digest), "store a log");
  if (known) return {};
  RETURN_IF_ERROR(CheckLog(digest, content, now), "store a log");
  return Write("INSERT INTO log VALUES (?1, ?2, ?3, ?3)", digest, content, now);
}

Result<void> SqliteTransaction::AppendIma(const NodeId& node, uint64_t offset, ByteView content) {
  RETURN_IF_ERROR(CheckIma(offset, content), "append to an IMA list");
  if (offset == 0) {
    RETURN_IF_ERROR(Write("DELETE FROM ima WHERE node = ?1", node), "begin an IMA list");
  }
  ASSIGN_OR_RETURN(const uint64_t size, ImaSize(database(), node), "append to an IMA list");
  if (size != offset) {
    return Conflict(fmt::format("the IMA list has {} bytes, not {}", size, offset), "ima-offset");
  }
  if (content.empty()) return {};
  return NodeMustExist(Write("INSERT INTO ima VALUES (?1, ?2, ?3)", node, offset, content));
}

Result<void> SqliteTransaction::PutCredential(const CredentialRecord& record) {
  RETURN_IF_ERROR(CheckCredential(record), "store a credential");
  const uint64_t audit_seq = head_.seq + std::max<size_t>(records_.size(), 1);
  last_promised_seq_ = std::max(last_promised_seq_, audit_seq);
  RETURN_IF_ERROR(
      NodeMustExist(
          Write("INSERT INTO credential VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10) ON "
                "CONFLICT DO NOTHING",
                record.serial, record.node, record.spiffe_id, record.not_before, record.not_after,
                record.tbs_digest, record.evidence_time, audit_seq, CredentialKindName(record.kind),
                record.entry)),
      "store a credential");
  if (database().changes() == 0) {
    return Conflict("the serial is another credential's", "serial-taken");
  }
  return {};
}

Result<void> SqliteTransaction::PutEntry(const attest::Entry& entry) {
  RETURN_IF_ERROR(CheckStoredEntry(entry), "store an entry");
  ASSIGN_OR_RETURN(const auto other, FindAlike(entry), "store an entry");
  if (other) return Conflict(fmt::format("entry {} is like it", *other), "entry-exists");
  const std::string content = EncodeEntryContent(entry);
  const crypto::Sha256Digest digest = attest::EntryLikeness(entry);
  const ByteView likeness = digest;
  if (entry.revision == 0) {
    RETURN_IF_ERROR(Write("INSERT INTO entry VALUES (?1, 1, ?2, ?3) ON CONFLICT DO NOTHING",
                          entry.id, AsBytes(content), likeness),
                    "insert an entry");
  } else {
    RETURN_IF_ERROR(Write("UPDATE entry SET revision = revision + 1, content = ?3, likeness = ?4 "
                          "WHERE id = ?1 AND revision = ?2",
                          entry.id, entry.revision, AsBytes(content), likeness),
                    "update an entry");
  }
  return EntryMustChange(entry.id, entry.revision);
}

Result<void> SqliteTransaction::DeleteEntry(const std::string& id, uint64_t revision) {
  RETURN_IF_ERROR(Write("DELETE FROM entry WHERE id = ?1 AND revision = ?2", id, revision),
                  "delete an entry");
  return EntryMustChange(id, revision);
}

Result<void> SqliteTransaction::EntryMustChange(const std::string& id, uint64_t revision) {
  if (database().changes() != 0) return {};
  return Conflict(fmt::format("entry {} has another revision than {}", id, revision),
                  "entry-changed");
}

Result<void> SqliteTransaction::PutPolicy(const PolicyRecord& record) {
  RETURN_IF_ERROR(CheckActive(), "write");
  return PolicyTable(database()).Put(record);
}

Result<void> SqliteTransaction::PutDecision(const DecisionRecord& record) {
  RETURN_IF_ERROR(CheckActive(), "write");
  return DecisionTable(database()).Put(record, decision_bytes_);
}

uint64_t SqliteTransaction::Audit(std::string record) {
  records_.push_back(std::move(record));
  return head_.seq + records_.size();
}

Result<size_t> SqliteTransaction::Expire(Time now, const Retention& retention) {
  ASSIGN_OR_RETURN(const size_t challenges,
                   Forget("DELETE FROM challenge WHERE id IN "
                          "(SELECT id FROM challenge WHERE expires < ?1 LIMIT ?2)",
                          now, kMaxExpired),
                   "forget used challenges");
  ASSIGN_OR_RETURN(const size_t credentials, ExpireCredentials(now), "forget credentials");
  ASSIGN_OR_RETURN(const size_t decisions,
                   DecisionTable(database()).Expire(now - retention.decisions, decision_bytes_),
                   "forget decisions");
  ASSIGN_OR_RETURN(const size_t pending, ExpirePending(now, now - retention.pending),
                   "forget hosts that nobody approved");
  ASSIGN_OR_RETURN(const size_t logs, ExpireLogs(now - retention.evidence), "forget logs");
  ASSIGN_OR_RETURN(const size_t ima,
                   Forget("DELETE FROM ima WHERE rowid IN (SELECT ima.rowid FROM node JOIN ima "
                          "ON ima.node = node.id WHERE node.standing = 'removed' LIMIT ?1)",
                          kMaxExpiredLogs),
                   "forget IMA lists");
  return challenges + credentials + decisions + pending + logs + ima;
}

Result<size_t> SqliteTransaction::ExpireCredentials(Time now) {
  ASSIGN_OR_RETURN(
      const size_t voided,
      Forget("DELETE FROM credential WHERE rowid IN "
             "(SELECT rowid FROM credential WHERE voided <> 0 AND not_after < ?1 LIMIT ?2)",
             now, kMaxExpired),
      "forget void credentials");
  // One whose line is not durable yet has still to be voided, however old it is.
  ASSIGN_OR_RETURN(
      const size_t issued,
      Forget("DELETE FROM credential WHERE rowid IN (SELECT rowid FROM credential AS old "
             "WHERE not_after < ?1 AND audit_seq <= ?2 AND (kind <> 'node' OR EXISTS "
             "(SELECT 1 FROM credential WHERE kind = 'node' AND node = old.node AND "
             "audit_seq > old.audit_seq)) LIMIT ?3)",
             now - kCredentialMargin, durable_seq(), kMaxExpired),
      "forget credentials that have ended");
  return voided + issued;
}

// Such a host has been given nothing: nothing else refers to it. It may come back.
Result<size_t> SqliteTransaction::ExpirePending(Time now, Time before) {
  ASSIGN_OR_RETURN(
      const auto ids,
      ReadAll<NodeId>(
          database().Prepare("SELECT id FROM node WHERE pending_since < ?1 AND NOT EXISTS "
                             "(SELECT 1 FROM credential WHERE node = id) AND NOT EXISTS "
                             "(SELECT 1 FROM ima WHERE node = id) LIMIT ?2",
                             before, kMaxExpiredNodes),
          [](const Query& row) { return row.Text(0, 64); }),
      "find them");
  for (const NodeId& id : ids) RETURN_IF_ERROR(ForgetNode(id, now), "forget a host");
  return ids.size();
}

Result<std::optional<WaitingSource>> SqliteTransaction::LargestWaitingSource(bool with_devid) {
  return PendingHosts(database()).LargestSource(with_devid);
}

Result<uint64_t> SqliteTransaction::CountWaiting(const std::string& source, bool with_devid) {
  return PendingHosts(database()).Count(source, with_devid);
}

Result<void> SqliteTransaction::ForgetWaiting(const NodeId& id, Time now) {
  ASSIGN_OR_RETURN(
      const uint64_t waits,
      ReadNumber(database().Prepare("SELECT count(*) FROM node WHERE id = ?1 AND pending_since IS "
                                    "NOT NULL AND NOT EXISTS "
                                    "(SELECT 1 FROM credential WHERE node = id) AND NOT EXISTS "
                                    "(SELECT 1 FROM ima WHERE node = id)",
                                    id)),
      "find it");
  if (waits == 0) return Conflict(fmt::format("node {} does not wait", id), "node-changed");
  return ForgetNode(id, now);
}

Result<void> SqliteTransaction::ForgetNode(const NodeId& id, Time now) {
  RETURN_IF_ERROR(Write("UPDATE log SET unnamed_since = ?2 WHERE digest = "
                        "(SELECT boot_log FROM node WHERE id = ?1)",
                        id, now),
                  "cease to name a log");
  RETURN_IF_ERROR(Write("DELETE FROM ek WHERE node = ?1", id), "forget its keys");
  return Write("DELETE FROM node WHERE id = ?1", id);
}

Result<size_t> SqliteTransaction::ExpireLogs(Time before) {
  // Looked at once, not again each time.
  RETURN_IF_ERROR(
      Write("UPDATE log SET unnamed_since = NULL WHERE digest IN (SELECT digest FROM log WHERE "
            "unnamed_since < ?1 AND EXISTS (SELECT 1 FROM node WHERE boot_log = log.digest) "
            "LIMIT ?2)",
            before, kMaxExpired),
      "note which logs are named");
  return Forget(
      "DELETE FROM log WHERE digest IN (SELECT digest FROM log WHERE unnamed_since < ?1 AND "
      "NOT EXISTS (SELECT 1 FROM node WHERE boot_log = log.digest) LIMIT ?2)",
      before, kMaxExpiredLogs);
}

Result<std::vector<std::string>> SqliteTransaction::TakeRecords() && {
  if (last_promised_seq_ > head_.seq + records_.size()) {
    return Fail(Code::kInternal, "a credential was stored without an audit record",
                {.name = "credential-unaudited"});
  }
  for (const std::string& record : records_) {
    RETURN_IF_ERROR(CheckAuditRecord(record), "queue an audit record");
  }
  return std::move(records_);
}

}  // namespace lodekey::issuer
