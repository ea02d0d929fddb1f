// The tables of decisions, of their inputs, and of how many bytes these have.
#pragma once

#include <optional>
#include <vector>

#include "issuer/sqlite_database.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// What issuer/store.h says of each.
class DecisionTable {
 public:
  explicit DecisionTable(Database& database) : database_(database) {}

  Result<std::vector<DecisionRecord>> List(const DecisionFilter& filter, size_t limit);
  Result<std::optional<DecisionRecord>> Find(ByteView prefix);
  Result<std::optional<DecisionRecord>> Last(const NodeId& node, const std::string& point);

  Result<void> Put(const DecisionRecord& record);
  // Forgets a part of those decided before `before`, and the oldest while all inputs together have
  // more than `most_bytes`; how many.
  Result<size_t> Expire(Time before, uint64_t most_bytes);

 private:
  struct Row {
    uint64_t seq;
    uint64_t bytes;  // of its input
  };

  static Result<Row> ReadRow(const Query& query);
  Result<void> Forget(const std::vector<Row>& rows);
  Result<size_t> ForgetBefore(Time before);
  Result<size_t> ForgetBeyond(uint64_t most_bytes);

  Database& database_;
};

}  // namespace lodekey::issuer
