#include "issuer/sqlite_migrations.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "issuer/sqlite_transaction.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::kTrustDomain;
using test::Must;

constexpr uint64_t kRoom = uint64_t{1} << 30;  // for decisions

class SqliteMigrationsTest : public ::testing::Test {
 protected:
  Result<Database> Open(const std::string& trust_domain = kTrustDomain) {
    ASSIGN_OR_RETURN(Database database, Database::Open(path_), "open");
    RETURN_IF_ERROR(MigrateDatabase(database, trust_domain), "migrate");
    return database;
  }

  // Runs statements on the file as another program would.
  void Edit(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }

  // Puts the node in as a first version stored it.
  static std::string FirstVersion(const NodeRecord& node) {
    return fmt::format(
        "INSERT INTO node (id, revision, standing, state) VALUES "
        "('{}', 1, '{}', x'{}');",
        node.id, StandingName(node.standing), ToHex(AsBytes(EncodeNodeState(node))));
  }

  // What the fifth version and those after it added is taken away again.
  void MakeFourthVersion() {
    Must(Open());
    Edit(R"(
      DROP TABLE decision_share; DROP TABLE decision_total;
      DROP INDEX node_pending_source; ALTER TABLE node DROP COLUMN pending_source;
      DROP INDEX decision_of_node; DROP INDEX decision_standing;
      CREATE INDEX decision_node ON decision (node, point);
      CREATE TABLE decision_total (input_bytes INTEGER NOT NULL) STRICT;
      INSERT INTO decision_total VALUES (0);
      PRAGMA user_version = 4)");
  }

  // Puts a decision in as the fourth version stored it: 500 bytes of outcome and input.
  static std::string FourthVersion(const NodeId& node, std::string_view point) {
    return fmt::format(
        "INSERT INTO decision (decided, point, node, entry, policy_version, allowed, outcome, "
        "digest) VALUES (1767225600000, '{}', '{}', '', 0, 1, zeroblob(200), zeroblob(32));"
        "INSERT INTO decision_input VALUES (last_insert_rowid(), zeroblob(300));"
        "UPDATE decision_total SET input_bytes = input_bytes + 300;",
        point, node);
  }

  // What the fourth version and those after it added is taken away again.
  void MakeThirdVersion() {
    Must(Open());
    Edit(R"(
      DROP TABLE policy; DROP TABLE decision; DROP TABLE decision_input; DROP TABLE decision_total;
      DROP TABLE decision_share;
      DROP INDEX node_standing; DROP INDEX node_devid; DROP INDEX node_pending_since;
      DROP INDEX node_pending_source; ALTER TABLE node DROP COLUMN pending_source;
      ALTER TABLE node DROP COLUMN devid; ALTER TABLE node DROP COLUMN pending_since;
      CREATE INDEX node_removed ON node (id) WHERE standing = 'removed';
      PRAGMA user_version = 3)");
  }

  void ExpectRefused(std::string_view name, Code code) {
    const std::string before = test::ReadText(path_);
    const auto database = Open();
    ASSERT_FALSE(database);
    EXPECT_EQ(database.error().Name(), name) << database.error().text;
    EXPECT_EQ(database.error().code, code);
    EXPECT_FALSE(database.error().advice.empty());
    EXPECT_EQ(test::ReadText(path_), before) << "what is refused is not changed";
  }

  uint64_t Number(Database& database, std::string_view sql) {
    Query query = Must(database.Prepare(sql));
    EXPECT_TRUE(Must(query.Step()));
    return Must(query.Unsigned(0));
  }

  test::ScratchDirectory directory_;
  std::string path_ = directory_.path() + "/issuer.db";
};

TEST_F(SqliteMigrationsTest, MakeAnEmptyFileTheIssuers) {
  Database database = Must(Open());
  EXPECT_EQ(Number(database, "PRAGMA application_id"), kApplicationId);
  EXPECT_EQ(Number(database, "PRAGMA user_version"), kSchemaVersion);
  EXPECT_EQ(Number(database, "SELECT count(*) FROM node"), 0U);
}

TEST_F(SqliteMigrationsTest, TurnOnWriteAheadLogging) {
  Must(Open());
  Database database = Must(Database::Open(path_));
  Query query = Must(database.Prepare("PRAGMA journal_mode"));
  ASSERT_TRUE(Must(query.Step()));
  EXPECT_EQ(Must(query.Text(0, 16)), "wal");
}

TEST_F(SqliteMigrationsTest, ChangeNothingTheSecondTime) {
  Must(Open());
  const std::string before = test::ReadText(path_);
  Must(Open());
  EXPECT_EQ(test::ReadText(path_), before);
}

TEST_F(SqliteMigrationsTest, GoOnWhereTheyWereInterrupted) {
  Edit("PRAGMA journal_mode = WAL");  // set, and then the process ended
  Database database = Must(Open());
  EXPECT_EQ(Number(database, "PRAGMA user_version"), kSchemaVersion);
}

// What later versions added is taken away again.
TEST_F(SqliteMigrationsTest, BringAFirstVersionForward) {
  MakeThirdVersion();
  Edit(R"(
    DROP INDEX node_removed; DROP INDEX node_boot_log; DROP INDEX log_unnamed_since;
    DROP INDEX credential_not_after; DROP INDEX credential_own; DROP TABLE entry;
    ALTER TABLE credential DROP COLUMN kind; ALTER TABLE credential DROP COLUMN entry;
    ALTER TABLE node DROP COLUMN boot_log; ALTER TABLE log DROP COLUMN unnamed_since;
    INSERT INTO log VALUES (x'01', x'02', 3);
    PRAGMA user_version = 1)");
  // More than are read at a time.
  constexpr unsigned kEnrolled = 250;
  std::string nodes = FirstVersion(test::SampleNode(kEnrolled + 1));
  for (unsigned number = 1; number <= kEnrolled; ++number)
    nodes += FirstVersion(test::FullNode(number));
  Edit("BEGIN;" + nodes + "COMMIT");
  Database database = Must(Open());
  EXPECT_EQ(Number(database, "PRAGMA user_version"), kSchemaVersion);
  // However long such a node stays silent, its log stays.
  const std::string named = ToHex(test::FullNode(1).BootLog());
  EXPECT_EQ(
      Number(database, fmt::format("SELECT count(*) FROM node WHERE boot_log = x'{}'", named)),
      kEnrolled);
  EXPECT_EQ(Number(database, "SELECT count(*) FROM node WHERE boot_log = x''"), 1U);
  // Its margin begins now, not when it was stored.
  EXPECT_EQ(Number(database, "SELECT count(*) FROM log WHERE unnamed_since > 1767225600000"), 1U);
}

TEST_F(SqliteMigrationsTest, BringAThirdVersionForward) {
  MakeThirdVersion();
  NodeRecord removed = test::SampleNode(2);
  removed.standing = Standing::kRemoved;
  NodeRecord active = test::FullNode(1);
  active.shown.clear();
  active.devid.clear();
  active.devid_name.clear();
  Edit(FirstVersion(active) + FirstVersion(removed));
  Database database = Must(Open());
  EXPECT_EQ(Number(database, "PRAGMA user_version"), kSchemaVersion);
  active.revision = 1;
  SqliteTransaction transaction(database, 0, {}, kRoom);
  EXPECT_EQ(Must(transaction.FindNode(active.id)), active);
  EXPECT_EQ(Must(transaction.CountNodes(Standing::kRemoved)), 1U);
  EXPECT_EQ(Must(transaction.CurrentPolicy()), std::nullopt);
  auto scope = Must(TransactionScope::Begin(database, TransactionScope::Kind::kWrite));
  Must(transaction.PutDecision(test::SampleDecision(1)));
  active.devid = Bytes(32, 1);
  Must(transaction.PutNode(active));
  Must(scope.Commit());
  EXPECT_EQ(Number(database, "SELECT count(*) FROM decision"), 1U);
  EXPECT_EQ(Must(transaction.FindNodeByDevId(active.devid)), active.id);
}

// Decisions that were stored before are counted, and give way, as those that come.
TEST_F(SqliteMigrationsTest, BringAFourthVersionForward) {
  MakeFourthVersion();
  const NodeId active = test::FullNode(1).id;
  const NodeId other = test::SampleNode(2).id;
  Edit(FirstVersion(test::FullNode(1)) + FirstVersion(test::SampleNode(2)) +
       FourthVersion(active, "standing") + FourthVersion(active, "standing") +
       FourthVersion(active, "issuance") + FourthVersion(other, "standing") +
       FourthVersion(test::SampleNodeId(3), "admission"));
  Database database = Must(Open());
  constexpr uint64_t kOne = 512 + 500;
  EXPECT_EQ(Number(database, "SELECT bytes FROM decision_total"), 5 * kOne);
  EXPECT_EQ(Number(database, "SELECT count(*) FROM decision_share"), 3U);
  EXPECT_EQ(Number(database, "SELECT kept FROM decision_share WHERE kept > 0"), 2U);
  auto scope = Must(TransactionScope::Begin(database, TransactionScope::Kind::kWrite));
  EXPECT_EQ(Must(SqliteTransaction(database, 0, {}, 4 * kOne).Expire(test::At(1), {})), 1U);
  EXPECT_EQ(Number(database, "SELECT min(seq) FROM decision"), 2U) << "of the node that has most";
  EXPECT_EQ(Must(SqliteTransaction(database, 0, {}, 1).Expire(test::At(1), {})), 3U);
  EXPECT_EQ(Number(database, "SELECT seq FROM decision"), 2U) << "an active node's standing";
  EXPECT_EQ(Number(database, "SELECT bytes FROM decision_total"), kOne);
  EXPECT_EQ(Number(database, "SELECT count(*) FROM decision_share"), 1U);
  Must(scope.Commit());
}

TEST_F(SqliteMigrationsTest, RefuseALaterVersion) {
  Must(Open());
  Edit(fmt::format("PRAGMA user_version = {}", kSchemaVersion + 1));
  ExpectRefused("database-newer", Code::kConflict);
}

TEST_F(SqliteMigrationsTest, RefuseAnotherTrustDomain) {
  Must(Open());
  const auto database = Open("example.com");
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().Name(), "database-foreign");
  EXPECT_NE(database.error().text.find("example.org"), std::string::npos) << "names whose it is";
  EXPECT_TRUE(Open());
}

TEST_F(SqliteMigrationsTest, RefuseAnotherProgramsDatabase) {
  Edit("CREATE TABLE customer (name)");
  ExpectRefused("database-foreign", Code::kConflict);
  Edit("PRAGMA application_id = 7");
  ExpectRefused("database-foreign", Code::kConflict);
}

TEST_F(SqliteMigrationsTest, RefuseTablesWithoutAVersion) {
  Must(Open());
  Edit("PRAGMA user_version = 0");
  ExpectRefused("database-corrupt", Code::kUntrusted);
}

TEST_F(SqliteMigrationsTest, RefuseADatabaseWithoutATrustDomain) {
  Must(Open());
  Edit("DELETE FROM meta");
  ExpectRefused("database-corrupt", Code::kUntrusted);
}

TEST_F(SqliteMigrationsTest, RefuseAFileThatIsNoDatabase) {
  test::Overwrite(path_, std::string(5000, 'x'));
  ExpectRefused("database-corrupt", Code::kUntrusted);
}

TEST_F(SqliteMigrationsTest, RefuseADamagedPageWhereverItIs) {
  Must(Open());
  Edit("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = test::ReadText(path_);
  constexpr size_t kPageSize = 4096;
  ASSERT_GE(whole.size(), 10 * kPageSize);
  for (size_t page = kPageSize; page < whole.size(); page += kPageSize) {
    std::string damaged = whole;
    damaged.replace(page, 8, 8, '\xff');  // the header of a table's or an index's tree
    test::Overwrite(path_, damaged);
    const auto database = Open();
    ASSERT_FALSE(database) << page;
    EXPECT_EQ(database.error().Name(), "database-corrupt") << database.error().text;
  }
}

TEST_F(SqliteMigrationsTest, RefuseATruncatedFile) {
  Must(Open());
  Edit("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::resize_file(path_, 4096);
  const auto database = Open();
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().Name(), "database-corrupt") << database.error().text;
}

}  // namespace
}  // namespace lodekey::issuer
