// The first line of an exported part of the audit log: which part it is. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/hash_chain.h"

namespace lodekey::cli {

struct AuditRange {
  crypto::ChainHead after;  // before the first line
  crypto::ChainHead last;   // after the last one
};

// {"audit_export":1,"after":{"seq":N,"hash":"…"},"last":{…}} and a LF.
std::string FormatAuditRange(const AuditRange& range);

// Nothing when `line` (without its LF) does not begin as one: a whole log has none.
// kInvalidArgument ("audit-line-malformed").
Result<std::optional<AuditRange>> ParseAuditRange(std::string_view line);

}  // namespace lodekey::cli
