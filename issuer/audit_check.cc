#include "issuer/audit_check.h"

#include <fmt/format.h>

#include "platform/file.h"
#include "platform/line_reader.h"

namespace lodekey::issuer {
namespace {

Error Advised(Error error) {
  if (error.advice.empty())
    error.advice = "The log is not as the issuer wrote it: keep it, and compare with a copy.";
  return error;
}

}  // namespace

Result<void> CheckAuditLog(const std::string& path, const crypto::Ed25519PublicKey& key,
                           const crypto::ChainHead& head) {
  ASSIGN_OR_RETURN(const platform::UniqueFd fd, platform::OpenFile(path), "audit log");
  platform::LineReader reader(fd.get(), path, crypto::kMaxChainLine);
  crypto::ChainVerifier verifier(key);
  for (std::string line;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(line), "audit log");
    if (!more) break;
    const auto next = verifier.Next(line);
    if (!next) return std::unexpected(Advised(next.error()));
  }
  if (verifier.head() == head) return {};
  return std::unexpected(
      Advised({.code = Code::kUntrusted,
               .text = fmt::format("the audit log ends with record {}, the database with {}",
                                   verifier.head().seq, head.seq),
               .name = "audit-truncated"}));
}

}  // namespace lodekey::issuer
