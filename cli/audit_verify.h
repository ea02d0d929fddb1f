// Checks the issuer's audit log from its first line to its last: nothing changed, dropped,
// reordered, or cut off.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/hash_chain.h"

namespace lodekey::cli {

// "SEQ:HASH", as `lodekey status` prints it. kInvalidArgument ("usage").
Result<crypto::ChainHead> ParseHead(std::string_view text);
std::string FormatHead(const crypto::ChainHead& head);

// 64 hex digits. kInvalidArgument ("usage").
Result<crypto::Ed25519PublicKey> ParseAuditKey(std::string_view text);

struct VerifiedLog {
  crypto::ChainHead after;  // before its first record: another than zeros for an exported part
  crypto::ChainHead head;   // after its last one
};

// Reads the file at `path` in bounded pieces. `known` are heads that the issuer has shown earlier:
// the log must reach each of them; an exported part (cli/audit_range.h) must reach its own end, and
// have them where it is theirs. Errors: "audit-line-changed",
// "audit-line-missing", "audit-line-reordered", "audit-line-malformed" (also a last line without
// its end), "audit-truncated" (the log ends before a known head), "audit-forked" (it has another
// line in the place of a known head), and those of reading a file.
Result<VerifiedLog> VerifyAuditLog(const std::string& path, const crypto::Ed25519PublicKey& key,
                                   const std::vector<crypto::ChainHead>& known);

}  // namespace lodekey::cli
