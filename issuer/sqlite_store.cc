#include "issuer/sqlite_store.h"

#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/guarded.h"
#include "issuer/audit_recovery.h"
#include "issuer/commit_queue.h"
#include "issuer/sqlite_database.h"
#include "issuer/sqlite_migrations.h"
#include "issuer/sqlite_view.h"
#include "issuer/sqlite_writer.h"

namespace lodekey::issuer {
namespace {

// Connections for readers, one for each Read that runs. Thread-safe.
class ReadPool {
 public:
  explicit ReadPool(std::string path) : path_(std::move(path)) {}

  Result<Database> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Database database = std::move(idle_.back());
        idle_.pop_back();
        return database;
      }
    }
    ASSIGN_OR_RETURN(Database database, Database::Open(path_), "open a connection for reading");
    RETURN_IF_ERROR(database.Script("PRAGMA query_only = ON"), "open a connection for reading");
    return database;
  }

  void Return(Database database) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(database));
  }

 private:
  static constexpr size_t kMaxIdle = 16;

  const std::string path_;
  std::mutex mutex_;
  std::vector<Database> idle_;  // guarded by mutex_
};

Result<void> ReadSnapshot(Database& database, uint64_t durable_seq,
                          const std::function<Result<void>(View&)>& read) {
  ASSIGN_OR_RETURN(auto scope, TransactionScope::Begin(database, TransactionScope::Kind::kRead),
                   "begin a snapshot");
  SqliteView view(database, durable_seq);
  return Guarded("a read", [&] { return read(view); });
}

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string path, std::unique_ptr<SqliteWriter> writer)
      : writer_(std::move(writer)),
        readers_(std::move(path)),
        queue_([this](std::vector<QueuedChange> batch) { writer_->Run(std::move(batch)); }) {}

  Result<void> Read(const std::function<Result<void>(View&)>& read) override {
    ASSIGN_OR_RETURN(Database database, readers_.Take(), "read");
    // Before the snapshot begins: see SqliteReads.
    const uint64_t durable_seq = writer_->durable_seq();
    Result<void> outcome = ReadSnapshot(database, durable_seq, read);
    readers_.Return(std::move(database));
    return outcome;
  }

  void Commit(Change change, Done done) override {
    queue_.Push({.change = std::move(change), .done = std::move(done)});
  }

 private:
  const std::unique_ptr<SqliteWriter> writer_;
  ReadPool readers_;
  CommitQueue queue_;  // last: its thread uses the writer until it has ended
};

Time SystemNow() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(SqliteOptions options,
                                               std::unique_ptr<AuditLog> audit) {
  if (!options.now) options.now = SystemNow;
  ASSIGN_OR_RETURN(Database database, Database::Open(options.path), "open the store");
  RETURN_IF_ERROR(MigrateDatabase(database, options.trust_domain),
                  fmt::format("open {}", options.path));
  ASSIGN_OR_RETURN(const crypto::ChainHead head,
                   BringAuditLogUpToDate(database, *audit, options.now()),
                   "bring audit log and database together");
  auto writer = std::make_unique<SqliteWriter>(
      std::move(database), std::move(audit), head, options.decision_bytes,
      SqliteWriter::Hooks{.at_step = std::move(options.at_step), .now = std::move(options.now)});
  return std::unique_ptr<Store>(
      std::make_unique<SqliteStore>(std::move(options.path), std::move(writer)));
}

}  // namespace lodekey::issuer
