// The schema, and the way to it from every earlier one.
#pragma once

#include <string>

#include "base/result.h"
#include "issuer/sqlite_database.h"

namespace lodekey::issuer {

// PRAGMA application_id of the issuer's databases: "LodK".
inline constexpr uint64_t kApplicationId = 0x4c6f644b;

// PRAGMA user_version that this build writes and reads.
extern const uint64_t kSchemaVersion;

// Checks what the file is before anything in it is changed, then brings the schema forward, one
// transaction a version, and turns on WAL. kConflict ("database-foreign": another program's or
// another trust domain's; "database-newer": of a later schema), kUntrusted ("database-corrupt").
Result<void> MigrateDatabase(Database& database, const std::string& trust_domain);

}  // namespace lodekey::issuer
