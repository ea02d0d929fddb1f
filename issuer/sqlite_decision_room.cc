#include "issuer/sqlite_decision_room.h"

#include <algorithm>

#include "issuer/sqlite_rows.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

// What a row has besides outcome and input, with its places in the indexes: counted as 512 bytes,
// so that no decision is free.
#define LODEKEY_DECISION_BYTES "512 + length(outcome) + length(input)"
constexpr uint64_t kRowBytes = 512;

// The largest one needs no more than so many others to go, and be they the smallest.
constexpr uint64_t kMostForOne = (kMaxDecisionOutcome + kMaxDecisionInput) / kRowBytes + 1;

uint64_t BytesOf(const DecisionRecord& record) {
  return kRowBytes + record.outcome.size() + record.input.size();
}

struct Share {
  NodeId node;
  uint64_t kept = 0;
};

Result<Share> ReadShare(const Query& query) {
  Share share;
  ASSIGN_OR_RETURN(share.node, query.Text(0, 64), "read the node");
  ASSIGN_OR_RETURN(share.kept, query.Unsigned(1), "read what is kept");
  return share;
}

}  // namespace

Result<DecisionRoom::Row> DecisionRoom::ReadRow(const Query& query) {
  Row row{};
  ASSIGN_OR_RETURN(row.seq, query.Unsigned(0), "read the number");
  ASSIGN_OR_RETURN(row.bytes, query.Unsigned(1), "read the size");
  ASSIGN_OR_RETURN(row.node, query.Text(2, 64), "read the node");
  return row;
}

Result<void> DecisionRoom::Take(const DecisionRecord& record, uint64_t room) {
  const uint64_t own = BytesOf(record);
  RETURN_IF_ERROR(database_.Run("INSERT INTO decision_share VALUES (?1, ?2, 0, 0) "
                                "ON CONFLICT (node) DO UPDATE SET spare = spare + excluded.spare",
                                record.node, own),
                  "count a decision");
  if (record.point == "standing") {
    RETURN_IF_ERROR(
        database_.Run("UPDATE decision_share SET spare = spare + kept_bytes - ?2, kept_bytes = ?2, "
                      "kept = (SELECT max(seq) FROM decision WHERE node = ?1 AND "
                      "point = 'standing') WHERE node = ?1 AND "
                      "EXISTS (SELECT 1 FROM node WHERE id = ?1 AND standing = 'active')",
                      record.node, own),
        "keep the newest standing");
  }
  ASSIGN_OR_RETURN(const uint64_t bytes,
                   ReadNumber(database_.Prepare(
                       "UPDATE decision_total SET bytes = bytes + ?1 RETURNING bytes", own)),
                   "count a decision");
  RETURN_IF_ERROR(ForgetWhileOver(bytes, room, kMostForOne), "make room");
  return {};
}

Result<void> DecisionRoom::Release(const NodeId& node) {
  return database_.Run(
      "UPDATE decision_share SET spare = spare + kept_bytes, kept = 0, kept_bytes = 0 "
      "WHERE node = ?1 AND kept > 0",
      node);
}

Result<size_t> DecisionRoom::ForgetBeyond(uint64_t room, uint64_t most) {
  ASSIGN_OR_RETURN(const uint64_t bytes,
                   ReadNumber(database_.Prepare("SELECT bytes FROM decision_total")),
                   "read how many bytes there are");
  return ForgetWhileOver(bytes, room, most);
}

Result<size_t> DecisionRoom::ForgetBefore(Time before, uint64_t most) {
  ASSIGN_OR_RETURN(
      const auto rows,
      ReadAll<Row>(
          database_.Prepare("SELECT seq, " LODEKEY_DECISION_BYTES
                            ", node FROM decision CROSS JOIN decision_input USING (seq) "
                            "WHERE decided < ?1 AND NOT EXISTS (SELECT 1 FROM decision_share AS "
                            "share WHERE share.node = decision.node AND share.kept = seq) "
                            "ORDER BY decided LIMIT ?2",
                            before, most),
          ReadRow),
      "find them");
  for (const Row& row : rows) RETURN_IF_ERROR(Forget(row), "forget");
  return rows.size();
}

Result<size_t> DecisionRoom::ForgetWhileOver(uint64_t bytes, uint64_t room, uint64_t most) {
  size_t forgotten = 0;
  while (bytes > room && forgotten < most) {
    ASSIGN_OR_RETURN(const auto first, First(), "find what gives way");
    if (!first) break;
    RETURN_IF_ERROR(Forget(*first), "forget");
    bytes -= std::min(bytes, first->bytes);
    ++forgotten;
  }
  return forgotten;
}

// In two steps: in one, SQLite would sort all that the node has.
Result<std::optional<DecisionRoom::Row>> DecisionRoom::First() {
  ASSIGN_OR_RETURN(
      const auto share,
      ReadOne<Share>(database_.Prepare("SELECT node, kept FROM decision_share WHERE spare > 0 "
                                       "ORDER BY spare DESC LIMIT 1"),
                     ReadShare),
      "find the largest share");
  if (!share) return std::optional<Row>();
  return ReadOne<Row>(
      database_.Prepare("SELECT seq, " LODEKEY_DECISION_BYTES
                        ", node FROM decision CROSS JOIN decision_input USING (seq) "
                        "WHERE node = ?1 AND seq <> ?2 ORDER BY seq LIMIT 1",
                        share->node, share->kept),
      ReadRow);
}

Result<void> DecisionRoom::Forget(const Row& row) {
  RETURN_IF_ERROR(database_.Run("DELETE FROM decision_input WHERE seq = ?1", row.seq), "input");
  RETURN_IF_ERROR(database_.Run("DELETE FROM decision WHERE seq = ?1", row.seq), "decision");
  RETURN_IF_ERROR(database_.Run("UPDATE decision_share SET spare = spare - ?2 WHERE node = ?1",
                                row.node, row.bytes),
                  "share");
  RETURN_IF_ERROR(
      database_.Run("DELETE FROM decision_share WHERE node = ?1 AND spare = 0 AND kept = 0",
                    row.node),
      "share");
  return database_.Run("UPDATE decision_total SET bytes = bytes - ?1", row.bytes);
}

}  // namespace lodekey::issuer
