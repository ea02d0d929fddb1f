#include "cli/audit_source.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "cli/audit_verify.h"

namespace lodekey::cli {
namespace {

Result<void> AskIssuer(Session& session, const AuditArguments& arguments, AuditSource& source) {
  const auto issuer = session.admin().ShowIssuer();
  if (!issuer) return std::unexpected(issuer.error());
  if (arguments.file.empty()) source.path = issuer->audit_path();
  if (arguments.key.empty()) {
    if (issuer->audit_public_key().size() != source.key.size())
      return Fail(Code::kInternal, "the issuer's audit key is not one");
    std::ranges::copy(AsBytes(issuer->audit_public_key()), source.key.begin());
  }
  // An issuer that has written nothing yet has a head of zeros.
  ASSIGN_OR_RETURN(source.shown, HeadFrom(issuer->audit_seq(), issuer->audit_hash()), "issuer");
  return {};
}

}  // namespace

void AddAuditSource(CLI::App& verb, AuditArguments& arguments) {
  verb.add_option("FILE", arguments.file, "the log (default: ask the issuer)");
  verb.add_option("--key", arguments.key, "the audit key (default: ask the issuer)")
      ->type_name("HEX");
}

Result<crypto::ChainHead> HeadFrom(uint64_t seq, const std::string& hash) {
  crypto::ChainHead head{.seq = seq};
  if (hash.size() != head.hash.size())
    return Fail(Code::kInternal, "the head of the audit log that was sent is not a SHA-256");
  std::ranges::copy(AsBytes(hash), head.hash.begin());
  return head;
}

Result<AuditSource> FindAuditLog(Session& session, const AuditArguments& arguments) {
  AuditSource source{.path = arguments.file};
  if (!arguments.key.empty()) {
    const auto key = ParseAuditKey(arguments.key);
    if (!key) return std::unexpected(key.error());
    source.key = *key;
  }
  if (!arguments.file.empty() && !arguments.key.empty()) return source;
  if (const auto asked = AskIssuer(session, arguments, source); !asked)
    return std::unexpected(asked.error());
  return source;
}

}  // namespace lodekey::cli
