// A part of the audit log as a file that can be verified on its own.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "cli/audit_range.h"
#include "cli/audit_source.h"

namespace lodekey::cli {

// From the first line that is not before `since` to the last one before `until`, with all between.
// The whole log is verified on the way. kNotFound ("audit-range-empty"); and the errors of
// VerifyAuditLog.
Result<AuditRange> FindAuditRange(const AuditSource& source, std::optional<Time> since,
                                  std::optional<Time> until);

// Writes the part to `output`, which must not exist yet (kConflict, "file-exists"), behind a line
// that says which it is. `each` sees every line; what it fails with ends the export. Nothing is
// left of one that failed.
Result<void> WriteAuditRange(const AuditSource& source, const AuditRange& range,
                             const std::string& output,
                             const std::function<Result<void>(std::string_view line)>& each);

}  // namespace lodekey::cli
