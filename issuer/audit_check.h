// The whole audit log, read from its first line to its last.
#pragma once

#include <string>

#include "base/result.h"
#include "crypto/hash_chain.h"

namespace lodekey::issuer {

// Whether the file at `path` is the chain under `key` that ends at `head`: nothing changed,
// dropped, reordered or cut off. kUntrusted or kInvalidArgument ("audit-line-changed",
// "audit-line-missing", "audit-line-reordered", "audit-line-malformed", "audit-truncated").
Result<void> CheckAuditLog(const std::string& path, const crypto::Ed25519PublicKey& key,
                           const crypto::ChainHead& head);

}  // namespace lodekey::issuer
