// Hosts that wait for approval, by the network they come from.
#pragma once

#include <optional>
#include <string>

#include "issuer/sqlite_database.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// What issuer/store.h says of each.
class PendingHosts {
 public:
  explicit PendingHosts(Database& database) : database_(database) {}

  Result<std::optional<WaitingSource>> LargestSource(bool with_devid);
  Result<uint64_t> Count(const std::string& source, bool with_devid);

 private:
  Database& database_;
};

}  // namespace lodekey::issuer
