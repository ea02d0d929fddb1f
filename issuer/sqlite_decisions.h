// The tables of decisions and of their inputs.
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
  Result<std::optional<DecisionRecord>> LastStanding(const NodeId& node);

  // Others give way where all would have more than `room` bytes (issuer/sqlite_decision_room.h).
  Result<void> Put(const DecisionRecord& record, uint64_t room);
  // Forgets a part of those decided before `before`, and of those that `room` has no place for; how
  // many.
  Result<size_t> Expire(Time before, uint64_t room);

 private:
  Database& database_;
};

}  // namespace lodekey::issuer
