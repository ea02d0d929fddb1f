// One connection to an SQLite file: prepared statements that are kept, bounded readers of columns,
// and SQLite's result codes as errors. Nothing here knows what the issuer stores.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sqlite3.h>

#include "base/bytes.h"
#include "base/handle.h"
#include "base/result.h"
#include "base/time.h"

namespace lodekey::issuer {

// SQLite's (extended) result code as an Error: kUnavailable ("store-unavailable") for what space, a
// disk or another process's lock decides, kUntrusted ("database-corrupt") for content that is not
// ours, kInternal otherwise.
Error SqliteError(sqlite3* database, int code);

// A prepared statement with its values bound. Gives the statement back to its Database, which must
// outlive it.
class Query {
 public:
  Query(sqlite3* database, sqlite3_stmt* statement);

  // True: a row is there to be read. False: that was all.
  Result<bool> Step();

  // Columns of the present row, counted from 0. kUntrusted ("database-corrupt") when the column has
  // another type or more than `max` bytes.
  Result<std::string> Text(int column, size_t max) const;
  Result<Bytes> Blob(int column, size_t max) const;
  Result<int64_t> Signed(int column) const;
  Result<uint64_t> Unsigned(int column) const;  // not negative
  Result<Time> TimeAt(int column) const;        // milliseconds, from 1970 to the year 9999

 private:
  struct Reset {
    void operator()(sqlite3_stmt* statement) const;
  };
  Result<ByteView> Sized(int column, int type, size_t max) const;

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Reset> statement_;
};

// Not thread-safe: a connection belongs to one thread at a time.
class Database {
 public:
  // Opens or creates (0600) the file and sets up the connection: foreign keys, synchronous=FULL, a
  // schema that is trusted with nothing.
  static Result<Database> Open(const std::string& path);

  // Runs statements whose rows nobody wants; for set-up.
  Result<void> Script(const std::string& sql);

  // `sql` must live as long as the Database: statements are kept by it. Values are copied.
  template <class... Values>
  Result<Query> Prepare(std::string_view sql, const Values&... values) {
    ASSIGN_OR_RETURN(sqlite3_stmt* const statement, Find(sql), "prepare a statement");
    Query query(database_.get(), statement);
    int code = SQLITE_OK;
    int index = 0;
    ((code = code == SQLITE_OK ? Bind(statement, ++index, values) : code), ...);
    if (code != SQLITE_OK) return std::unexpected(SqliteError(database_.get(), code));
    return query;
  }

  // Runs one statement to its end.
  template <class... Values>
  Result<void> Run(std::string_view sql, const Values&... values) {
    ASSIGN_OR_RETURN(Query query, Prepare(sql, values...), "run a statement");
    return Finish(query);
  }

  // Rows that the last INSERT, UPDATE or DELETE touched.
  uint64_t changes() const;
  bool in_transaction() const;

 private:
  explicit Database(sqlite3* database) : database_(database) {}
  Result<void> Configure();
  Result<sqlite3_stmt*> Find(std::string_view sql);
  static Result<void> Finish(Query& query);

  static int Bind(sqlite3_stmt* statement, int index, std::string_view text);
  static int Bind(sqlite3_stmt* statement, int index, ByteView bytes);
  static int Bind(sqlite3_stmt* statement, int index, uint64_t value);  // at most 2^63 - 1
  static int Bind(sqlite3_stmt* statement, int index, Time time);

  // Before the statements: they end first.
  CHandle<sqlite3, sqlite3_close> database_;
  std::unordered_map<std::string_view, CHandle<sqlite3_stmt, sqlite3_finalize>> statements_;
};

// A transaction that is rolled back unless it is committed.
class TransactionScope {
 public:
  enum class Kind { kRead, kWrite };
  static Result<TransactionScope> Begin(Database& database, Kind kind);
  ~TransactionScope();
  TransactionScope(TransactionScope&& other) noexcept;
  TransactionScope& operator=(TransactionScope&&) = delete;

  Result<void> Commit();

 private:
  explicit TransactionScope(Database& database) : database_(&database) {}

  Database* database_;  // nullptr: moved from
};

}  // namespace lodekey::issuer
