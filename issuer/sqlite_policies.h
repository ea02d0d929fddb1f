// The table of policies that were applied.
#pragma once

#include <optional>
#include <vector>

#include "issuer/sqlite_database.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// What issuer/store.h says of each.
class PolicyTable {
 public:
  explicit PolicyTable(Database& database) : database_(database) {}

  Result<std::optional<PolicyRecord>> Current();
  Result<std::optional<PolicyRecord>> Find(uint64_t version);
  Result<std::vector<PolicyRecord>> List(size_t limit);
  Result<void> Put(const PolicyRecord& record);

 private:
  Database& database_;
};

}  // namespace lodekey::issuer
