#include "issuer/sqlite_writer.h"

#include <utility>

#include <fmt/format.h>

#include "base/guarded.h"
#include "issuer/audit_outbox.h"
#include "issuer/audit_recovery.h"
#include "issuer/sqlite_transaction.h"

namespace lodekey::issuer {
namespace {

std::unexpected<Error> AuditUnavailable(Error error) {
  error.code = Code::kUnavailable;
  error.name = "audit-unavailable";
  return std::unexpected(std::move(error));
}

// What `done` throws costs its own reply, not the process, nor the changes beside it.
void Complete(const Done& done, Result<crypto::ChainHead> outcome) {
  static_cast<void>(Guarded("a completion", [&]() -> Result<void> {
    done(std::move(outcome));
    return {};
  }));
}

// A full disk can end the transaction, and with it the changes before the one that met it.
std::unexpected<Error> TransactionEnded(const Result<void>& outcome) {
  const std::string cause = outcome ? "" : fmt::format(": {}", outcome.error().text);
  return Fail(Code::kUnavailable, fmt::format("the database ended the transaction{}", cause),
              {.name = "store-unavailable",
               .advice = "Make the database's file system writable and give it space."});
}

}  // namespace

SqliteWriter::SqliteWriter(Database database, std::unique_ptr<AuditLog> log,
                           const crypto::ChainHead& head, uint64_t decision_bytes, Hooks hooks)
    : database_(std::move(database)),
      log_(std::move(log)),
      head_(head),
      decision_bytes_(decision_bytes),
      hooks_(std::move(hooks)),
      durable_seq_(head.seq) {}

SqliteWriter::~SqliteWriter() {
  if (log_->head() != head_) return;
  // A failure loses nothing: the next start compares with the mark of an earlier batch.
  static_cast<void>([this]() -> Result<void> {
    ASSIGN_OR_RETURN(auto scope, TransactionScope::Begin(database_, TransactionScope::Kind::kWrite),
                     "begin");
    RETURN_IF_ERROR(AuditOutbox(database_).StoreMarks({.head = head_, .durable = head_}), "store");
    return scope.Commit();
  }());
}

void SqliteWriter::Step(std::string_view step) const {
  if (hooks_.at_step) hooks_.at_step(step);
}

void SqliteWriter::Run(std::vector<QueuedChange> batch) {
  Outcomes outcomes;
  const auto stored = Guarded("a batch", [&] { return Store(batch, outcomes); });
  const auto recorded = Guarded(
      "the audit log", [&]() -> Result<void> { return stored ? Record(*stored) : Result<void>(); });
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!stored) {
      Complete(batch[i].done, std::unexpected(stored.error()));
    } else if (!outcomes[i]) {
      Complete(batch[i].done, std::unexpected(std::move(outcomes[i].error())));
    } else if (!recorded) {
      Complete(batch[i].done, AuditUnavailable(recorded.error()));
    } else {
      Complete(batch[i].done, head_);
    }
  }
  Step("done-called");
}

Result<void> SqliteWriter::CatchUp() {
  if (log_->head() == head_) return {};
  auto head = BringAuditLogUpToDate(database_, *log_, hooks_.now());
  if (!head) return AuditUnavailable(std::move(head.error()));
  head_ = *head;
  durable_seq_ = head_.seq;
  return {};
}

Result<SqliteWriter::Extension> SqliteWriter::Store(const std::vector<QueuedChange>& batch,
                                                    Outcomes& outcomes) {
  RETURN_IF_ERROR(CatchUp(), "bring the audit log up to date");
  ASSIGN_OR_RETURN(auto scope, TransactionScope::Begin(database_, TransactionScope::Kind::kWrite),
                   "begin a batch");
  Step("batch-begun");
  Extension extension{.head = head_, .lines = {}};
  for (const QueuedChange& queued : batch) {
    outcomes.push_back(RunChange(queued.change, extension));
    if (!database_.in_transaction()) return TransactionEnded(outcomes.back());
  }
  if (!extension.lines.empty()) {
    const AuditMarks marks{.head = extension.head, .durable = log_->head()};
    RETURN_IF_ERROR(AuditOutbox(database_).StoreMarks(marks), "keep the head of the chain");
  }
  Step("changes-run");
  RETURN_IF_ERROR(scope.Commit(), "commit a batch");
  head_ = extension.head;
  Step("committed");
  return extension;
}

Result<void> SqliteWriter::RunChange(const Change& change, Extension& extension) {
  RETURN_IF_ERROR(database_.Run("SAVEPOINT change"), "begin a change");
  auto changed = ChangeWithin(change, extension);
  if (!changed) {
    Undo();
    return std::unexpected(std::move(changed.error()));
  }
  if (auto released = database_.Run("RELEASE change"); !released) {
    Undo();
    return released;
  }
  extension.head = changed->head;
  extension.lines += changed->lines;
  return {};
}

void SqliteWriter::Undo() {
  if (!database_.in_transaction()) return;
  if (database_.Run("ROLLBACK TO change") && database_.Run("RELEASE change")) return;
  static_cast<void>(database_.Run("ROLLBACK"));
}

Result<SqliteWriter::Extension> SqliteWriter::ChangeWithin(const Change& change,
                                                           const Extension& before) {
  SqliteTransaction transaction(database_, durable_seq_, before.head, decision_bytes_);
  // A closure may call libraries that throw; that must not cost the changes beside it.
  RETURN_IF_ERROR(Guarded("a change", [&] { return change(transaction); }), "change");
  // It may have overlooked an error; what follows must not be committed on its own.
  if (!database_.in_transaction()) return TransactionEnded({});
  ASSIGN_OR_RETURN(const auto records, std::move(transaction).TakeRecords(), "change");
  Extension own{.head = before.head, .lines = {}};
  for (const std::string& record : records) {
    const std::string line = crypto::FormatChainLine(own.head, record, log_->key(), own.head);
    RETURN_IF_ERROR(AuditOutbox(database_).Put(own.head.seq, line), "keep an audit line");
    own.lines += line;
  }
  return own;
}

Result<void> SqliteWriter::Record(const Extension& extension) {
  if (!extension.lines.empty()) {
    RETURN_IF_ERROR(log_->Append(extension.lines, extension.head), "record a batch");
    durable_seq_ = extension.head.seq;
  }
  Step("audit-appended");
  return {};
}

}  // namespace lodekey::issuer
