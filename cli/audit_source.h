// Which audit log a verb reads, and whose key its lines must have.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/session.h"
#include "crypto/hash_chain.h"

namespace CLI {
class App;
}

namespace lodekey::cli {

struct AuditArguments {
  std::string file = {};
  std::string key = {};
};

struct AuditSource {
  std::string path = {};
  crypto::Ed25519PublicKey key = {};
  // As the issuer shows it now, where it was asked: it is running, and may be about to write.
  std::optional<crypto::ChainHead> shown = {};
};

// FILE and --key.
void AddAuditSource(CLI::App& verb, AuditArguments& arguments);

// From SHA-256 bytes as a message carries them.
Result<crypto::ChainHead> HeadFrom(uint64_t seq, const std::string& hash);

// What the command line leaves out is asked of the issuer.
Result<AuditSource> FindAuditLog(Session& session, const AuditArguments& arguments);

}  // namespace lodekey::cli
