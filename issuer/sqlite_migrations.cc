#include "issuer/sqlite_migrations.h"

#include <array>

#include <fmt/format.h>

#include "issuer/sqlite_view.h"

namespace lodekey::issuer {
namespace {

// Element n leads from version n to n + 1. An element that was released is never changed.
//
// Times are milliseconds since 1970. audit_mark has two rows: "head" after the last line that was
// given out, "durable" up to where the audit log's file was known to be durable when the row was
// written; audit_outbox holds the lines between the two.
constexpr std::array kSteps = {
    R"(
  CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_mark (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO audit_mark VALUES ('head', 0, zeroblob(32)), ('durable', 0, zeroblob(32));

  CREATE TABLE audit_outbox (
    seq INTEGER PRIMARY KEY,
    line TEXT NOT NULL
  ) STRICT;

  CREATE TABLE node (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    standing TEXT NOT NULL,
    state BLOB NOT NULL
  ) STRICT;

  CREATE TABLE ek (
    hash TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ek_node ON ek (node);

  CREATE TABLE challenge (
    id BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX challenge_expires ON challenge (expires);

  CREATE TABLE reference_pcr (
    node_group TEXT NOT NULL,
    bank TEXT NOT NULL,
    pcr INTEGER NOT NULL,
    value BLOB NOT NULL,
    approved INTEGER NOT NULL,
    approved_by TEXT NOT NULL,
    PRIMARY KEY (node_group, bank, pcr, value)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE log (
    digest BLOB PRIMARY KEY,
    content BLOB NOT NULL,
    stored INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE ima (
    node TEXT NOT NULL REFERENCES node (id),
    start INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (node, start)
  ) STRICT;

  CREATE TABLE credential (
    serial BLOB PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    spiffe_id TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    tbs_digest BLOB NOT NULL,
    evidence_time INTEGER NOT NULL,
    audit_seq INTEGER NOT NULL,
    voided INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX credential_node ON credential (node, audit_seq);
  CREATE INDEX credential_audit_seq ON credential (audit_seq);
  CREATE INDEX credential_voided ON credential (not_after) WHERE voided <> 0;
)",
    // What may be forgotten. node.boot_log is the log that the node's enrolment names, empty for
    // none; NoteBootLogs says it for those that were stored before. log.unnamed_since is when it
    // was stored or a removed node ceased to name it, NULL once it was found to be named.
    R"(
  ALTER TABLE node ADD COLUMN boot_log BLOB NOT NULL DEFAULT x'';
  CREATE INDEX node_boot_log ON node (boot_log);
  CREATE INDEX node_removed ON node (id) WHERE standing = 'removed';

  ALTER TABLE log ADD COLUMN unnamed_since INTEGER;
  UPDATE log SET unnamed_since = unixepoch() * 1000;
  CREATE INDEX log_unnamed_since ON log (unnamed_since) WHERE unnamed_since IS NOT NULL;

  CREATE INDEX credential_not_after ON credential (not_after);
)",
    // Entries, and which of them a credential rests on. entry.content is a serialised
    // lodekey.entry.v1.Entry without id and revision, entry.likeness attest::EntryLikeness of it.
    // What was issued before is the nodes' own.
    R"(
  CREATE TABLE entry (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    content BLOB NOT NULL,
    likeness BLOB NOT NULL UNIQUE
  ) STRICT;

  ALTER TABLE credential ADD COLUMN kind TEXT NOT NULL DEFAULT 'node';
  ALTER TABLE credential ADD COLUMN entry TEXT NOT NULL DEFAULT '';
  CREATE INDEX credential_own ON credential (node, audit_seq) WHERE kind = 'node';
)",
    // Policies and decisions, and what is looked for by it: how many nodes have a standing, whose
    // a DevID's key is, which hosts wait for approval (node.pending_since: when they were last
    // seen, NULL for all others). policy.content is a serialised lodekey.policy.v1.Bundle,
    // decision.outcome a lodekey.policy.v1.Decision. Inputs stand apart, so that decisions are
    // looked through without them; decision_total had the bytes of all of them.
    R"(
  CREATE TABLE policy (
    version INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    applied INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    note TEXT NOT NULL,
    rolled_back_to INTEGER NOT NULL,
    signed_version INTEGER NOT NULL,
    signer BLOB NOT NULL,
    signature BLOB NOT NULL,
    allows_all INTEGER NOT NULL,
    content BLOB NOT NULL
  ) STRICT;

  CREATE TABLE decision (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    decided INTEGER NOT NULL,
    point TEXT NOT NULL,
    node TEXT NOT NULL,
    entry TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    outcome BLOB NOT NULL,
    digest BLOB NOT NULL
  ) STRICT;
  CREATE INDEX decision_decided ON decision (decided);
  CREATE INDEX decision_node ON decision (node, point);
  CREATE INDEX decision_digest ON decision (digest);

  CREATE TABLE decision_input (
    seq INTEGER PRIMARY KEY,
    input BLOB NOT NULL
  ) STRICT;
  CREATE TABLE decision_total (input_bytes INTEGER NOT NULL) STRICT;
  INSERT INTO decision_total VALUES (0);

  DROP INDEX node_removed;
  CREATE INDEX node_standing ON node (standing, id);
  ALTER TABLE node ADD COLUMN devid BLOB NOT NULL DEFAULT x'';
  CREATE UNIQUE INDEX node_devid ON node (devid) WHERE devid <> x'';
  ALTER TABLE node ADD COLUMN pending_since INTEGER;
  CREATE INDEX node_pending_since ON node (pending_since) WHERE pending_since IS NOT NULL;
)",
    // How many bytes decisions have, each with 512 for what it has besides outcome and input: all
    // of them in decision_total, those of each node in decision_share. spare is what may give way;
    // kept is the seq of the node's newest decision on its standing while it is active, else 0.
    R"(
  DROP INDEX decision_node;
  CREATE INDEX decision_of_node ON decision (node);
  CREATE INDEX decision_standing ON decision (node) WHERE point = 'standing';

  CREATE TABLE decision_share (
    node TEXT PRIMARY KEY,
    spare INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    kept_bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO decision_share
    SELECT node, sum(512 + length(outcome) + length(input)), 0, 0
    FROM decision JOIN decision_input USING (seq) GROUP BY node;
  UPDATE decision_share SET kept = ifnull((SELECT max(seq) FROM decision
      WHERE decision.node = decision_share.node AND point = 'standing'), 0)
    WHERE node IN (SELECT id FROM node WHERE standing = 'active');
  UPDATE decision_share SET kept_bytes = (SELECT 512 + length(outcome) + length(input)
      FROM decision JOIN decision_input USING (seq) WHERE seq = kept)
    WHERE kept > 0;
  UPDATE decision_share SET spare = spare - kept_bytes;
  CREATE INDEX decision_share_spare ON decision_share (spare);

  DROP TABLE decision_total;
  CREATE TABLE decision_total (bytes INTEGER NOT NULL) STRICT;
  INSERT INTO decision_total SELECT ifnull(sum(spare + kept_bytes), 0) FROM decision_share;
)",
    // Where a host that waits for approval comes from (SourceOfWaiting); empty for all others, and
    // for those that have not come again since this was kept.
    R"(
  ALTER TABLE node ADD COLUMN pending_source TEXT NOT NULL DEFAULT '';
  CREATE INDEX node_pending_source ON node (pending_source, devid, pending_since)
    WHERE pending_since IS NOT NULL;
)"};

std::unexpected<Error> Foreign(std::string text) {
  return Fail(
      Code::kConflict, std::move(text),
      {.name = "database-foreign",
       .advice = "Name this issuer's own database file, or a new one, in the configuration."});
}

std::unexpected<Error> Corrupt(std::string text) {
  return Fail(Code::kUntrusted, std::move(text),
              {.name = "database-corrupt", .advice = "Restore the database from a backup."});
}

Result<uint64_t> ReadNumber(Database& database, std::string_view sql) {
  ASSIGN_OR_RETURN(Query query, database.Prepare(sql), "prepare");
  ASSIGN_OR_RETURN(const bool row, query.Step(), "read");
  if (!row) return Corrupt(fmt::format("nothing answers {}", sql));
  return query.Unsigned(0);
}

// The version, 0 for an empty file.
Result<uint64_t> IdentifyDatabase(Database& database) {
  ASSIGN_OR_RETURN(const uint64_t application, ReadNumber(database, "PRAGMA application_id"),
                   "read whose it is");
  ASSIGN_OR_RETURN(const uint64_t version, ReadNumber(database, "PRAGMA user_version"),
                   "read its version");
  ASSIGN_OR_RETURN(const uint64_t objects,
                   ReadNumber(database, "SELECT count(*) FROM sqlite_schema"), "count its tables");
  if (application == 0 && version == 0 && objects == 0) return uint64_t{0};
  if (application != kApplicationId) return Foreign("the file is another program's database");
  if (version > kSchemaVersion) {
    return Fail(Code::kConflict,
                fmt::format("the database has schema version {}, this program knows {}", version,
                            kSchemaVersion),
                {.name = "database-newer",
                 .advice = "Run the version of the issuer that wrote it, or a later one."});
  }
  if (version == 0) return Corrupt("the database has tables but no version");
  return version;
}

Result<void> QuickCheck(Database& database) {
  ASSIGN_OR_RETURN(Query query, database.Prepare("PRAGMA quick_check(1)"), "prepare");
  ASSIGN_OR_RETURN(const bool row, query.Step(), "read");
  if (!row) return Corrupt("the integrity check gave no answer");
  ASSIGN_OR_RETURN(const std::string answer, query.Text(0, 4096), "read the answer");
  if (answer != "ok") return Corrupt(fmt::format("integrity check: {}", answer));
  return {};
}

Result<void> CheckTrustDomain(Database& database, const std::string& trust_domain) {
  ASSIGN_OR_RETURN(Query query,
                   database.Prepare("SELECT value FROM meta WHERE name = 'trust-domain'"),
                   "prepare");
  ASSIGN_OR_RETURN(const bool row, query.Step(), "read");
  if (!row) return Corrupt("the database names no trust domain");
  ASSIGN_OR_RETURN(const std::string stored, query.Text(0, 255), "read the name");
  if (stored == trust_domain) return {};
  return Foreign(fmt::format("the database is of trust domain {}, not {}", stored, trust_domain));
}

Result<void> EnableWal(Database& database) {
  ASSIGN_OR_RETURN(Query query, database.Prepare("PRAGMA journal_mode = WAL"), "prepare");
  ASSIGN_OR_RETURN(const bool row, query.Step(), "set");
  if (!row) return Corrupt("no journal mode");
  ASSIGN_OR_RETURN(const std::string mode, query.Text(0, 16), "read the mode");
  if (mode == "wal") return {};
  return Fail(Code::kHardware, fmt::format("journal mode is {} and cannot be WAL", mode),
              {.name = "store-unavailable",
               .advice = "Keep the database on a local file system that supports shared memory."});
}

// What version 2 has beside each node's state.
Result<void> NoteBootLogs(Database& database) {
  constexpr size_t kPart = 100;
  SqliteView view(database, /*durable_seq=*/0);
  for (NodeId after;;) {
    ASSIGN_OR_RETURN(const auto nodes, view.ListNodes(after, kPart), "list the nodes");
    if (nodes.empty()) return {};
    for (const NodeRecord& node : nodes) {
      RETURN_IF_ERROR(
          database.Run("UPDATE node SET boot_log = ?2 WHERE id = ?1", node.id, node.BootLog()),
          "update a node");
    }
    after = nodes.back().id;
  }
}

Result<void> StepTo(Database& database, uint64_t version, const std::string& trust_domain) {
  ASSIGN_OR_RETURN(auto scope, TransactionScope::Begin(database, TransactionScope::Kind::kWrite),
                   "begin");
  RETURN_IF_ERROR(database.Script(kSteps[version - 1]), "change the schema");
  if (version == 1) {
    RETURN_IF_ERROR(database.Run("INSERT INTO meta VALUES ('trust-domain', ?1)", trust_domain),
                    "keep the trust domain");
  }
  if (version == 2) RETURN_IF_ERROR(NoteBootLogs(database), "note which logs are named");
  RETURN_IF_ERROR(
      database.Script(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                  kApplicationId, version)),
      "keep the version");
  return scope.Commit();
}

}  // namespace

const uint64_t kSchemaVersion = kSteps.size();

Result<void> MigrateDatabase(Database& database, const std::string& trust_domain) {
  ASSIGN_OR_RETURN(uint64_t version, IdentifyDatabase(database), "identify the database");
  if (version > 0) {
    RETURN_IF_ERROR(QuickCheck(database), "check the database");
    RETURN_IF_ERROR(CheckTrustDomain(database, trust_domain), "check the trust domain");
  }
  RETURN_IF_ERROR(EnableWal(database), "turn on write-ahead logging");
  while (version < kSchemaVersion) {
    ++version;
    RETURN_IF_ERROR(StepTo(database, version, trust_domain),
                    fmt::format("bring the schema to version {}", version));
  }
  return {};
}

}  // namespace lodekey::issuer
