// The records of the audit log: one JSON object each, on one line. docs/protocol.md lists events
// and fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/entry.h"
#include "attest/verdict.h"
#include "base/time.h"
#include "crypto/certificate_builder.h"
#include "issuer/node_record.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// "node.enrolled", "node.attested" and so on, with the codes of what failed.
std::string VerdictRecord(std::string_view event, const NodeId& node,
                          const attest::Verdict& verdict, Standing standing, Time now);

// "credential.issued": what will be signed, before it is.
std::string CredentialAuditRecord(const CredentialRecord& credential, Time now);

// A certificate of the issuer's own, before it is signed: "intermediate.issued",
// "server-certificate.issued".
std::string CertificateAuditRecord(std::string_view event, const crypto::CertificateSpec& spec,
                                   const crypto::PublicKey& key, Time now);

// "jwt-key.issued": a key of JWT-SVIDs, before it is used.
std::string JwtKeyAuditRecord(std::string_view id, const crypto::PublicKey& key, Time now);

// So many values of any bank leave a record well within its line (issuer/store_limits.h).
inline constexpr size_t kMaxAuditValues = 256;

// What an operator did: "node.allowed", "node.removed", "pcrs.approved", "pcrs.forgotten",
// "ak.approved".
struct OperatorAction {
  std::string_view event;
  std::string actor;  // "uid 0"
  NodeId node;
  std::string before = {};  // the node's standing until then
  std::string detail = {};
  std::vector<ReferencePcr> values = {};  // at most kMaxAuditValues
};
std::string OperatorRecord(const OperatorAction& action, Time now);

// What an operator did with an entry: "entry.created" (without `before`), "entry.updated",
// "entry.deleted" (without `after`), with every field that changed. A field that is too long for
// the line is there by its digest.
struct EntryAction {
  std::string actor;
  std::optional<attest::Entry> before = {};
  std::optional<attest::Entry> after = {};
};
std::string EntryRecord(const EntryAction& action, Time now);

}  // namespace lodekey::issuer
