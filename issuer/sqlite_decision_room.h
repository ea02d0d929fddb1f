// How many bytes the decisions of each node have, and which of them give way where there is no
// room.
#pragma once

#include <optional>

#include "issuer/sqlite_database.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// A node's share is what may be forgotten of it. Its newest decision on its standing is apart from
// that while it is active: who asks whom a policy would cut off needs it.
class DecisionRoom {
 public:
  explicit DecisionRoom(Database& database) : database_(database) {}

  // Counts the decision that was inserted last, then forgets until all have at most `room` bytes.
  Result<void> Take(const DecisionRecord& record, uint64_t room);
  // Of a node that is not active (any more), nothing is kept apart.
  Result<void> Release(const NodeId& node);

  // While all have more than `room` bytes, forgets the oldest decision of the node with the largest
  // share; at most `most` decisions. How many.
  Result<size_t> ForgetBeyond(uint64_t room, uint64_t most);
  // Forgets what was decided before `before`, the oldest first; at most `most` decisions. How many.
  Result<size_t> ForgetBefore(Time before, uint64_t most);

 private:
  struct Row {
    uint64_t seq;
    uint64_t bytes;
    NodeId node;
  };

  static Result<Row> ReadRow(const Query& query);
  // Which one gives way first. None: all that are left are kept apart.
  Result<std::optional<Row>> First();
  Result<size_t> ForgetWhileOver(uint64_t bytes, uint64_t room, uint64_t most);
  Result<void> Forget(const Row& row);

  Database& database_;
};

}  // namespace lodekey::issuer
