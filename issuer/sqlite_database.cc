#include "issuer/sqlite_database.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "issuer/node_limits.h"

namespace lodekey::issuer {
namespace {

constexpr int kBusyTimeoutMs = 5000;
constexpr int kMaxValueBytes = 16 << 20;
constexpr int kMaxSqlBytes = 65536;

// Per connection; what belongs to the file is set by sqlite_migrations.cc. SQLite's own
// documentation
// ("Defense Against The Dark Arts") names most of these for files that somebody else may have
// edited.
constexpr const char* kPragmas = R"(
  PRAGMA trusted_schema = OFF;
  PRAGMA cell_size_check = ON;
  PRAGMA foreign_keys = ON;
  PRAGMA synchronous = FULL;
  PRAGMA secure_delete = OFF;
  PRAGMA temp_store = MEMORY;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA journal_size_limit = 67108864;
)";

std::unexpected<Error> CorruptColumn(int column, std::string_view what) {
  return Fail(Code::kUntrusted, fmt::format("column {} {}", column, what),
              {.name = "database-corrupt",
               .advice = "Restore the database from a backup: something else wrote to it."});
}

// Made here so that nobody but the owner ever has access; SQLite gives its other files the same
// mode.
Result<void> CreateFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    close(fd);
    return {};
  }
  if (errno == EEXIST) return {};
  return Fail(Code::kUnavailable, fmt::format("create {}: {}", path, std::strerror(errno)),
              {.name = "store-unavailable",
               .advice = "Create the state directory and give it to the issuer's user.",
               .detail = Detail{Detail::Source::kErrno, static_cast<uint64_t>(errno)}});
}

}  // namespace

Error SqliteError(sqlite3* database, int code) {
  const std::string_view message =
      database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  Error error{.text = fmt::format("SQLite: {}", message),
              .detail = Detail{Detail::Source::kSqlite, static_cast<uint64_t>(code)}};
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
      error.code = Code::kUnavailable;
      error.name = "store-unavailable";
      error.advice = "Make the database's file system writable and give it space.";
      break;
    case SQLITE_ERROR:  // our statements are constants: the schema is not the one they are made for
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      error.code = Code::kUntrusted;
      error.name = "database-corrupt";
      error.advice = "Restore the database from a backup.";
      break;
    default: break;
  }
  return error;
}

void Query::Reset::operator()(sqlite3_stmt* statement) const {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

Query::Query(sqlite3* database, sqlite3_stmt* statement)
    : database_(database), statement_(statement) {}

Result<bool> Query::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(SqliteError(database_, code));
}

Result<ByteView> Query::Sized(int column, int type, size_t max) const {
  sqlite3_stmt* const statement = statement_.get();
  if (sqlite3_column_type(statement, column) != type)
    return CorruptColumn(column, "has no such type");
  const void* const data = sqlite3_column_blob(statement, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  if (size > max) return CorruptColumn(column, "is too long");
  return ByteView(static_cast<const uint8_t*>(data), size);
}

Result<std::string> Query::Text(int column, size_t max) const {
  ASSIGN_OR_RETURN(const ByteView view, Sized(column, SQLITE_TEXT, max), "read a text");
  return std::string(AsText(view));
}

Result<Bytes> Query::Blob(int column, size_t max) const {
  ASSIGN_OR_RETURN(const ByteView view, Sized(column, SQLITE_BLOB, max), "read a blob");
  return ToBytes(view);
}

Result<int64_t> Query::Signed(int column) const {
  if (sqlite3_column_type(statement_.get(), column) != SQLITE_INTEGER) {
    return CorruptColumn(column, "is not an integer");
  }
  return sqlite3_column_int64(statement_.get(), column);
}

Result<uint64_t> Query::Unsigned(int column) const {
  ASSIGN_OR_RETURN(const int64_t value, Signed(column), "read a number");
  if (value < 0) return CorruptColumn(column, "is negative");
  return static_cast<uint64_t>(value);
}

Result<Time> Query::TimeAt(int column) const {
  ASSIGN_OR_RETURN(const int64_t value, Signed(column), "read a time");
  const Time time{Duration(value)};
  if (!IsStorableTime(time)) return CorruptColumn(column, "is not a time");
  return time;
}

Result<Database> Database::Open(const std::string& path) {
  RETURN_IF_ERROR(CreateFile(path), "make the database file");
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                         SQLITE_OPEN_EXRESCODE;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, kFlags, nullptr);
  Database database(raw);  // SQLite wants it closed after a failure too
  if (code != SQLITE_OK) {
    return std::unexpected(SqliteError(raw, code).Wrapped(fmt::format("open {}", path)));
  }
  RETURN_IF_ERROR(database.Configure(), fmt::format("set up the connection to {}", path));
  return database;
}

Result<void> Database::Configure() {
  sqlite3* const handle = database_.get();
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kMaxValueBytes);
  sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, kMaxSqlBytes);
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
  for (const auto& [option, value] :
       {std::pair(SQLITE_DBCONFIG_DEFENSIVE, 1), std::pair(SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
        std::pair(SQLITE_DBCONFIG_ENABLE_VIEW, 0), std::pair(SQLITE_DBCONFIG_DQS_DML, 0),
        std::pair(SQLITE_DBCONFIG_DQS_DDL, 0)}) {
    const int code = sqlite3_db_config(handle, option, value, static_cast<int*>(nullptr));
    if (code != SQLITE_OK) return std::unexpected(SqliteError(handle, code));
  }
  return Script(kPragmas);
}

Result<void> Database::Script(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(SqliteError(database_.get(), code));
  return {};
}

Result<sqlite3_stmt*> Database::Find(std::string_view sql) {
  const auto known = statements_.find(sql);
  if (known != statements_.end()) return known->second.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return std::unexpected(SqliteError(database_.get(), code));
  statements_.emplace(sql, statement);
  return statement;
}

Result<void> Database::Finish(Query& query) {
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Step(), "step");
    if (!row) return {};
  }
}

int Database::Bind(sqlite3_stmt* statement, int index, std::string_view text) {
  return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT,
                             SQLITE_UTF8);
}

int Database::Bind(sqlite3_stmt* statement, int index, ByteView bytes) {
  // A null pointer would bind NULL, not the empty blob.
  if (bytes.empty()) return sqlite3_bind_zeroblob(statement, index, 0);
  return sqlite3_bind_blob64(statement, index, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
}

int Database::Bind(sqlite3_stmt* statement, int index, uint64_t value) {
  if (value > uint64_t{std::numeric_limits<int64_t>::max()}) return SQLITE_TOOBIG;
  return sqlite3_bind_int64(statement, index, static_cast<int64_t>(value));
}

int Database::Bind(sqlite3_stmt* statement, int index, Time time) {
  return sqlite3_bind_int64(statement, index, time.time_since_epoch().count());
}

uint64_t Database::changes() const {
  return static_cast<uint64_t>(sqlite3_changes64(database_.get()));
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

Result<TransactionScope> TransactionScope::Begin(Database& database, Kind kind) {
  RETURN_IF_ERROR(database.Run(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"),
                  "begin a transaction");
  return TransactionScope(database);
}

TransactionScope::TransactionScope(TransactionScope&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

TransactionScope::~TransactionScope() {
  // SQLite has ended it already after some failures (a full disk). Rolling back cannot fail
  // otherwise.
  if (database_ == nullptr || !database_->in_transaction()) return;
  static_cast<void>(database_->Run("ROLLBACK"));
}

Result<void> TransactionScope::Commit() { return database_->Run("COMMIT"); }

}  // namespace lodekey::issuer
