// What the database knows of the audit log: where the chain is, how far the file was known to be
// durable, and the lines in between.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/hash_chain.h"
#include "issuer/sqlite_database.h"

namespace lodekey::issuer {

struct AuditMarks {
  crypto::ChainHead head;     // after the last line that was given out
  crypto::ChainHead durable;  // of the file, when the marks were written: a batch late
};

// A view of a connection; costs nothing to make. Changes belong to the caller's transaction.
class AuditOutbox {
 public:
  explicit AuditOutbox(Database& database) : database_(database) {}

  Result<AuditMarks> ReadMarks();
  // Also forgets the lines up to marks.durable.
  Result<void> StoreMarks(const AuditMarks& marks);

  Result<void> Put(uint64_t seq, std::string_view line);

  // The lines that `file`, the head of the log, lacks. Verifies every line that is kept: from
  // marks.durable without a gap to marks.head, and through `file`. kUntrusted: "audit-truncated"
  // when the log ends before marks.durable, "audit-forked" when it is beyond the database or
  // disagrees with it, "database-corrupt" when the lines do not form the chain.
  Result<std::string> LinesAfter(const crypto::ChainHead& file,
                                 const crypto::Ed25519PublicKey& key);

 private:
  Database& database_;
};

}  // namespace lodekey::issuer
