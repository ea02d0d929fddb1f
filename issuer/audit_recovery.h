// Brings the audit log to where the database is: after a crash, and after a failed append.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "issuer/audit_log.h"
#include "issuer/sqlite_database.h"

namespace lodekey::issuer {

// First voids every credential whose line the log lacks, because it was never given out, and
// records each in the chain (event "credential.void"): one transaction. Then appends all missing
// lines. Safe to repeat when either half fails. Returns the head that database and log now share.
//
// kUntrusted as in AuditOutbox::LinesAfter; kUnavailable when one of the two cannot be written.
Result<crypto::ChainHead> BringAuditLogUpToDate(Database& database, AuditLog& log, Time now);

}  // namespace lodekey::issuer
