// The writes of one change: the Transaction that its closure is given.
#pragma once

#include <string>
#include <vector>

#include "issuer/sqlite_view.h"

namespace lodekey::issuer {

// Lives within a savepoint of the writer. `head` is the audit chain's head before this change.
class SqliteTransaction final : public SqliteReads<Transaction> {
 public:
  // Decisions have `decision_bytes` of room.
  SqliteTransaction(Database& database, uint64_t durable_seq, const crypto::ChainHead& head,
                    uint64_t decision_bytes)
      : SqliteReads(database, durable_seq), head_(head), decision_bytes_(decision_bytes) {}

  // Earlier changes of the batch included, this one's own records not.
  Result<crypto::ChainHead> AuditHead() override { return head_; }

  Result<void> PutNode(const NodeRecord& record) override;
  Result<void> UseChallenge(ByteView id, Time expires) override;
  Result<void> PutReference(const ReferencePcr& reference) override;
  Result<void> DeleteReference(const ReferencePcr& reference) override;
  Result<void> PutEntry(const attest::Entry& entry) override;
  Result<void> DeleteEntry(const std::string& id, uint64_t revision) override;
  Result<void> PutPolicy(const PolicyRecord& record) override;
  Result<void> PutDecision(const DecisionRecord& record) override;
  Result<std::optional<WaitingSource>> LargestWaitingSource(bool with_devid) override;
  Result<uint64_t> CountWaiting(const std::string& source, bool with_devid) override;
  Result<void> ForgetWaiting(const NodeId& id, Time now) override;
  Result<void> PutLog(ByteView digest, ByteView content, Time now) override;
  Result<void> AppendIma(const NodeId& node, uint64_t offset, ByteView content) override;
  Result<void> PutCredential(const CredentialRecord& record) override;
  uint64_t Audit(std::string record) override;
  Result<size_t> Expire(Time now, const Retention& retention) override;

  // After the closure: the records to be chained, or why they cannot be.
  Result<std::vector<std::string>> TakeRecords() &&;

 private:
  // A statement that writes. Refused when SQLite has ended the transaction after a failure that the
  // closure overlooked: it would be committed on its own.
  template <class... Values>
  Result<void> Write(std::string_view sql, const Values&... values) {
    RETURN_IF_ERROR(CheckActive(), "write");
    return database().Run(sql, values...);
  }
  // The same, of a DELETE; returns how many rows it took.
  template <class... Values>
  Result<size_t> Forget(std::string_view sql, const Values&... values) {
    RETURN_IF_ERROR(Write(sql, values...), "delete");
    return database().changes();
  }
  Result<void> CheckActive();
  Result<size_t> ExpireCredentials(Time now);
  Result<size_t> ExpirePending(Time now, Time before);
  // One that nothing refers to but a log and its keys.
  Result<void> ForgetNode(const NodeId& id, Time now);
  Result<size_t> ExpireLogs(Time before);
  Result<void> CheckDevId(const NodeRecord& record);
  // What `record`, which is about to be stored, no longer names.
  Result<void> CeaseToNameLog(const NodeRecord& record);
  // After a statement that changes this revision of the entry, or nothing.
  Result<void> EntryMustChange(const std::string& id, uint64_t revision);
  Result<void> SyncEndorsementKeys(const NodeRecord& record);

  crypto::ChainHead head_;
  uint64_t decision_bytes_;
  std::vector<std::string> records_;
  uint64_t last_promised_seq_ = 0;  // the highest audit_seq that a credential was given
};

}  // namespace lodekey::issuer
