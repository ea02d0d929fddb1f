// The store on one SQLite file: WAL, synchronous=FULL, one writer thread, group commit.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "issuer/audit_log.h"
#include "issuer/store.h"

namespace lodekey::issuer {

struct SqliteOptions {
  std::string path = {};                        // the database file; its directory exists, 0700
  std::string trust_domain = {};                // kept in the database; another one is refused
  uint64_t decision_bytes = uint64_t{1} << 30;  // room for decisions (Transaction::PutDecision)
  // Called at each step of a batch ("batch-begun", "changes-run", "committed", "audit-appended",
  // "done-called"); the crash tests end the process in it.
  std::function<void(std::string_view step)> at_step = {};
  // For the recovery's audit records; default: the system clock.
  std::function<Time()> now = {};
};

// Opens or creates, checks (`quick_check`), migrates forward. kUntrusted ("database-corrupt"),
// kConflict ("database-newer": written by a later version), kConflict ("database-foreign": another
// trust domain's or another program's). Then brings audit log and database together: lines the log
// lacks are appended, credentials whose line was not durable are voided and the voiding is audited.
// kUntrusted ("audit-truncated") when the log ends before what the database knows to have been
// written, kUntrusted ("audit-forked") when they disagree.
//
// Destroying the store runs the changes that still wait; no Read may be running then.
Result<std::unique_ptr<Store>> OpenSqliteStore(SqliteOptions options,
                                               std::unique_ptr<AuditLog> audit);

}  // namespace lodekey::issuer
