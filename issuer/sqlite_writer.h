// Group commit: many changes, one transaction, one fsync of the database and one of the audit log.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "issuer/audit_log.h"
#include "issuer/commit_queue.h"
#include "issuer/sqlite_database.h"

namespace lodekey::issuer {

// Belongs to the thread that runs its batches, but for durable_seq().
class SqliteWriter {
 public:
  struct Hooks {
    std::function<void(std::string_view step)> at_step;
    std::function<Time()> now;
  };

  // `head` is what database and log share: the result of BringAuditLogUpToDate. Decisions have
  // `decision_bytes` of room.
  SqliteWriter(Database database, std::unique_ptr<AuditLog> log, const crypto::ChainHead& head,
               uint64_t decision_bytes, Hooks hooks);
  // Notes how far the log is durable, so that a log that is shortened while nobody looks is noticed
  // up to its last line.
  ~SqliteWriter();

  // Calls every `done` once. Either everything that succeeded is stored and recorded, or nothing of
  // the batch is stored, or ("audit-unavailable") it is stored but could not be recorded: then its
  // credentials are voided before the next batch, and no batch runs until that has worked.
  void Run(std::vector<QueuedChange> batch);

  // Up to here the log is durable. Thread-safe.
  uint64_t durable_seq() const { return durable_seq_.load(); }

 private:
  // What a batch adds to the chain.
  struct Extension {
    crypto::ChainHead head;
    std::string lines;
  };
  using Outcomes = std::vector<Result<void>>;

  Result<void> CatchUp();
  Result<Extension> Store(const std::vector<QueuedChange>& batch, Outcomes& outcomes);
  Result<void> RunChange(const Change& change, Extension& extension);
  Result<Extension> ChangeWithin(const Change& change, const Extension& before);
  // Undoes one change, or ends the whole transaction when that cannot be done.
  void Undo();
  Result<void> Record(const Extension& extension);
  void Step(std::string_view step) const;

  Database database_;
  std::unique_ptr<AuditLog> log_;
  crypto::ChainHead head_;  // of the database; the log's own is behind when an append has failed
  const uint64_t decision_bytes_;
  Hooks hooks_;
  std::atomic<uint64_t> durable_seq_;
};

}  // namespace lodekey::issuer
