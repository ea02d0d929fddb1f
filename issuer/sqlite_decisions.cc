#include "issuer/sqlite_decisions.h"

#include <fmt/format.h>

#include "crypto/digest.h"
#include "issuer/entry_record.h"
#include "issuer/sqlite_decision_room.h"
#include "issuer/sqlite_rows.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

// One call of Expire stays short: other changes wait behind it.
constexpr uint64_t kMaxExpired = 1000;

// After the last moment that is stored.
constexpr Time kEnd = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);

constexpr uint64_t kEither = 2;  // of what was allowed: 0, 1

// Always from the small table to the one with the inputs.
#define LODEKEY_DECISION_COLUMNS                                                       \
  "seq, decided, point, node, entry, policy_version, allowed, outcome, digest, input " \
  "FROM decision CROSS JOIN decision_input USING (seq) "

// A filter that names nothing takes all. Where reading begins at a time (?2) and not behind a row
// (?1), the index finds the first row: the rows before it are not looked at.
#define LODEKEY_DECISION_FILTER                                             \
  "seq > CASE WHEN ?1 > 0 OR ?2 = 0 THEN ?1 ELSE "                          \
  "ifnull((SELECT min(seq) FROM decision WHERE decided >= ?2), 0) - 1 END " \
  "AND decided >= ?2 AND decided < ?3 AND (?4 = '' OR point = ?4) "         \
  "AND (?5 = 2 OR allowed = ?5) "

Result<DecisionRecord> ReadDecision(const Query& row) {
  DecisionRecord record;
  ASSIGN_OR_RETURN(record.seq, row.Unsigned(0), "read the number");
  ASSIGN_OR_RETURN(record.decided, row.TimeAt(1), "read when it was decided");
  ASSIGN_OR_RETURN(record.point, row.Text(2, kMaxDecisionPoint), "read the point");
  ASSIGN_OR_RETURN(record.node, row.Text(3, 64), "read the node");
  ASSIGN_OR_RETURN(record.entry, row.Text(4, kMaxEntryId), "read the entry");
  ASSIGN_OR_RETURN(record.policy_version, row.Unsigned(5), "read the policy's version");
  ASSIGN_OR_RETURN(const uint64_t allowed, row.Unsigned(6), "read whether it was allowed");
  record.allowed = allowed != 0;
  ASSIGN_OR_RETURN(const Bytes outcome, row.Blob(7, kMaxDecisionOutcome), "read the outcome");
  record.outcome = AsText(outcome);
  ASSIGN_OR_RETURN(record.input_digest, row.Blob(8, 32), "read the input's digest");
  ASSIGN_OR_RETURN(const Bytes input, row.Blob(9, kMaxDecisionInput), "read the input");
  record.input = AsText(input);
  RETURN_IF_ERROR(CheckDecision(record), "read a decision");
  return record;
}

// One page: rows until there are `limit`, or their inputs have enough bytes.
Result<std::vector<DecisionRecord>> ReadPage(Result<Query> query) {
  if (!query) return std::unexpected(std::move(query.error()));
  std::vector<DecisionRecord> page;
  for (size_t bytes = 0; bytes < kMaxDecisionPage;) {
    ASSIGN_OR_RETURN(const bool found, query->Step(), "query the database");
    if (!found) break;
    ASSIGN_OR_RETURN(DecisionRecord record, ReadDecision(*query), "read a row");
    bytes += record.input.size() + record.outcome.size();
    page.push_back(std::move(record));
  }
  return page;
}

// Above all that begin with `prefix`, and below those after them.
Bytes LastOf(ByteView prefix) {
  Bytes last = ToBytes(prefix);
  last.resize(crypto::Sha256Digest().size(), 0xff);
  return last;
}

}  // namespace

Result<std::vector<DecisionRecord>> DecisionTable::List(const DecisionFilter& filter,
                                                        size_t limit) {
  const Time until = filter.until.value_or(kEnd);
  const uint64_t allowed = filter.allowed ? uint64_t{*filter.allowed} : kEither;
  if (filter.node.empty()) {
    return ReadPage(database_.Prepare(
        "SELECT " LODEKEY_DECISION_COLUMNS "WHERE " LODEKEY_DECISION_FILTER "ORDER BY seq LIMIT ?6",
        filter.after, filter.since, until, filter.point, allowed, AsLimit(limit)));
  }
  return ReadPage(database_.Prepare(
      "SELECT " LODEKEY_DECISION_COLUMNS
      "WHERE seq IN (SELECT seq FROM decision WHERE node = ?7 AND " LODEKEY_DECISION_FILTER
      "ORDER BY seq LIMIT ?6) ORDER BY seq",
      filter.after, filter.since, until, filter.point, allowed, AsLimit(limit), filter.node));
}

Result<std::optional<DecisionRecord>> DecisionTable::Find(ByteView prefix) {
  if (prefix.empty() || prefix.size() > crypto::Sha256Digest().size())
    return std::optional<DecisionRecord>();
  const Bytes last = LastOf(prefix);
  ASSIGN_OR_RETURN(const uint64_t digests,
                   ReadNumber(database_.Prepare(
                       "SELECT count(*) FROM (SELECT DISTINCT digest FROM decision WHERE digest "
                       "BETWEEN ?1 AND ?2 LIMIT 2)",
                       prefix, last)),
                   "count the inputs");
  if (digests > 1) {
    return Fail(Code::kConflict, fmt::format("more than one input begins with {}", ToHex(prefix)),
                {.name = "input-ambiguous", .advice = "Give more digits of the input's digest."});
  }
  return ReadOne<DecisionRecord>(
      database_.Prepare("SELECT " LODEKEY_DECISION_COLUMNS
                        "WHERE digest BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT 1",
                        prefix, last),
      ReadDecision);
}

Result<std::optional<DecisionRecord>> DecisionTable::LastStanding(const NodeId& node) {
  return ReadOne<DecisionRecord>(
      database_.Prepare("SELECT " LODEKEY_DECISION_COLUMNS
                        "WHERE node = ?1 AND point = 'standing' ORDER BY seq DESC LIMIT 1",
                        node),
      ReadDecision);
}

Result<void> DecisionTable::Put(const DecisionRecord& record, uint64_t room) {
  RETURN_IF_ERROR(CheckDecision(record), "store a decision");
  RETURN_IF_ERROR(
      database_.Run("INSERT INTO decision (decided, point, node, entry, policy_version, allowed, "
                    "outcome, digest) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 "
                    "WHERE ?5 = (SELECT ifnull(max(version), 0) FROM policy)",
                    record.decided, record.point, record.node, record.entry, record.policy_version,
                    uint64_t{record.allowed}, AsBytes(record.outcome), record.input_digest),
      "store a decision");
  if (database_.changes() == 0) {
    return Fail(Code::kConflict,
                fmt::format("version {} of the policy decided, and another one decides by now",
                            record.policy_version),
                {.name = "policy-changed", .advice = "The agent asks again by itself."});
  }
  RETURN_IF_ERROR(database_.Run("INSERT INTO decision_input VALUES (last_insert_rowid(), ?1)",
                                AsBytes(record.input)),
                  "store an input");
  return DecisionRoom(database_).Take(record, room);
}

Result<size_t> DecisionTable::Expire(Time before, uint64_t room) {
  DecisionRoom decisions(database_);
  ASSIGN_OR_RETURN(const size_t old, decisions.ForgetBefore(before, kMaxExpired),
                   "forget old decisions");
  ASSIGN_OR_RETURN(const size_t more, decisions.ForgetBeyond(room, kMaxExpired),
                   "forget decisions beyond the room");
  return old + more;
}

}  // namespace lodekey::issuer
