#include "issuer/sqlite_database.h"

#include <cstdint>
#include <limits>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::Must;

class SqliteDatabaseTest : public ::testing::Test {
 protected:
  // The only row of a query that has one.
  Query Row(std::string_view sql) {
    Query query = Must(database_.Prepare(sql));
    EXPECT_TRUE(Must(query.Step()));
    return query;
  }

  template <class T>
  void ExpectCorrupt(const Result<T>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().Name(), "database-corrupt");
    EXPECT_EQ(result.error().code, Code::kUntrusted);
  }

  test::ScratchDirectory directory_;
  std::string path_ = directory_.path() + "/test.db";
  Database database_ = Must(Database::Open(path_));
};

TEST_F(SqliteDatabaseTest, IsItsOwnersAlone) {
  Must(database_.Script("CREATE TABLE t (x)"));
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(SqliteDatabaseTest, IsUnavailableWithoutItsDirectory) {
  const auto database = Database::Open(directory_.path() + "/none/test.db");
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().Name(), "store-unavailable");
  EXPECT_FALSE(database.error().advice.empty());
}

TEST_F(SqliteDatabaseTest, TrustsASchemaWithNothing) {
  EXPECT_EQ(Must(Row("PRAGMA trusted_schema").Unsigned(0)), 0U);
  EXPECT_EQ(Must(Row("PRAGMA foreign_keys").Unsigned(0)), 1U);
  EXPECT_EQ(Must(Row("PRAGMA synchronous").Unsigned(0)), 2U);
  Must(
      database_.Script("CREATE TABLE t (x); CREATE TABLE seen (x);"
                       "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (1); END;"
                       "INSERT INTO t VALUES (1)"));
  EXPECT_EQ(Must(Row("SELECT count(*) FROM seen").Unsigned(0)), 0U);
  EXPECT_FALSE(database_.Script("ATTACH ':memory:' AS other"));
}

TEST_F(SqliteDatabaseTest, GivesBackWhatWasBound) {
  const Bytes blob = {0, 1, 255};
  Query query = Must(database_.Prepare("SELECT ?1, ?2, ?3, ?4, ?5", "text", blob, Bytes(),
                                       uint64_t{1} << 62, test::At(7)));
  ASSERT_TRUE(Must(query.Step()));
  EXPECT_EQ(Must(query.Text(0, 4)), "text");
  EXPECT_EQ(Must(query.Blob(1, 3)), blob);
  EXPECT_EQ(Must(query.Blob(2, 0)), Bytes());
  EXPECT_EQ(Must(query.Unsigned(3)), uint64_t{1} << 62);
  EXPECT_EQ(Must(query.TimeAt(4)), test::At(7));
  EXPECT_FALSE(Must(query.Step()));
}

TEST_F(SqliteDatabaseTest, RefusesAColumnThatIsTooLong) {
  const Query query = Row("SELECT 'text', x'000102'");
  ExpectCorrupt(query.Text(0, 3));
  ExpectCorrupt(query.Blob(1, 2));
}

TEST_F(SqliteDatabaseTest, RefusesAColumnOfAnotherType) {
  const Query query = Row("SELECT 'text', x'00', 1, NULL, 1.5");
  ExpectCorrupt(query.Blob(0, 9));
  ExpectCorrupt(query.Text(1, 9));
  ExpectCorrupt(query.Text(2, 9));
  ExpectCorrupt(query.Unsigned(3));
  ExpectCorrupt(query.Unsigned(4));
  ExpectCorrupt(query.Signed(0));
  ExpectCorrupt(query.TimeAt(1));
}

TEST_F(SqliteDatabaseTest, RefusesNumbersThatAreOutOfRange) {
  const Query query = Row("SELECT -1, 253402300800000");
  EXPECT_EQ(Must(query.Signed(0)), -1);
  ExpectCorrupt(query.Unsigned(0));
  ExpectCorrupt(query.TimeAt(0));
  ExpectCorrupt(query.TimeAt(1));
  EXPECT_FALSE(database_.Prepare("SELECT ?1", std::numeric_limits<uint64_t>::max()));
}

TEST_F(SqliteDatabaseTest, CallsATableThatIsMissingACorruptDatabase) {
  ExpectCorrupt(database_.Run("DELETE FROM none"));
}

TEST_F(SqliteDatabaseTest, UsesAStatementAgainWithOtherValues) {
  Must(database_.Script("CREATE TABLE t (x)"));
  for (uint64_t i = 0; i < 3; ++i) {
    Must(database_.Run("INSERT INTO t VALUES (?1)", i));
    EXPECT_EQ(database_.changes(), 1U);
  }
  EXPECT_EQ(Must(Row("SELECT sum(x) FROM t").Unsigned(0)), 3U);
}

TEST_F(SqliteDatabaseTest, RollsBackWhatIsNotCommitted) {
  Must(database_.Script("CREATE TABLE t (x)"));
  {
    auto scope = Must(TransactionScope::Begin(database_, TransactionScope::Kind::kWrite));
    Must(database_.Run("INSERT INTO t VALUES (1)"));
    EXPECT_TRUE(database_.in_transaction());
  }
  EXPECT_FALSE(database_.in_transaction());
  EXPECT_EQ(Must(Row("SELECT count(*) FROM t").Unsigned(0)), 0U);
  {
    auto scope = Must(TransactionScope::Begin(database_, TransactionScope::Kind::kWrite));
    Must(database_.Run("INSERT INTO t VALUES (1)"));
    Must(scope.Commit());
  }
  EXPECT_EQ(Must(Row("SELECT count(*) FROM t").Unsigned(0)), 1U);
}

TEST(SqliteError, SaysWhatTheCallerShouldDo) {
  EXPECT_EQ(SqliteError(nullptr, SQLITE_FULL).Name(), "store-unavailable");
  EXPECT_EQ(SqliteError(nullptr, SQLITE_IOERR_WRITE).code, Code::kUnavailable);
  EXPECT_EQ(SqliteError(nullptr, SQLITE_BUSY).code, Code::kUnavailable);
  EXPECT_EQ(SqliteError(nullptr, SQLITE_NOTADB).Name(), "database-corrupt");
  EXPECT_EQ(SqliteError(nullptr, SQLITE_CORRUPT_INDEX).code, Code::kUntrusted);
  EXPECT_EQ(SqliteError(nullptr, SQLITE_MISUSE).code, Code::kInternal);
  EXPECT_EQ(SqliteError(nullptr, SQLITE_FULL).detail->number, uint64_t{SQLITE_FULL});
}

}  // namespace
}  // namespace lodekey::issuer
