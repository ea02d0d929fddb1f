// The records of the audit log: one JSON object each, on one line. docs/protocol.md lists events
// and fields.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/entry.h"
#include "base/time.h"
#include "crypto/certificate_builder.h"
#include "issuer/decision.h"
#include "issuer/node_record.h"
#include "issuer/ruling.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// Evidence, and what became of it.
struct JudgedEvidence {
  std::string_view event;  // "node.enrolled", "node.attested" and so on
  NodeId node;
  const Decision& decision;
  Standing standing;                  // after it
  const Ruling* admission = nullptr;  // of an enrolment
};
std::string EvidenceRecord(const JudgedEvidence& judged, Time now);

// What the policy said where nothing else is on record: "node.admission-refused", "node.pending",
// "credential.refused", "credential.postponed" (younger evidence first). `withheld`: the error's
// name, where the policy allowed what was not given.
std::string RulingRecord(std::string_view event, const Ruling& ruling, const NodeId& node,
                         const std::string& entry, Time now, std::string_view withheld = {});

// "credential.issued": what will be signed, before it is, and the ruling that allows it.
std::string CredentialAuditRecord(const CredentialRecord& credential, const Ruling& ruling,
                                  Time now);

// A certificate of the issuer's own, before it is signed: "intermediate.issued",
// "server-certificate.issued".
std::string CertificateAuditRecord(std::string_view event, const crypto::CertificateSpec& spec,
                                   const crypto::PublicKey& key, Time now);

// "jwt-key.issued": a key of JWT-SVIDs, before it is used.
std::string JwtKeyAuditRecord(std::string_view id, const crypto::PublicKey& key, Time now);

// So many values of any bank leave a record well within its line (issuer/store_limits.h).
inline constexpr size_t kMaxAuditValues = 256;

// What an operator did: "node.allowed", "node.removed", "pcrs.approved", "pcrs.forgotten",
// "ak.approved", "node.approved", "node.denied".
struct OperatorAction {
  std::string_view event;
  std::string actor;  // "uid 0"
  NodeId node;
  std::string before = {};  // the node's standing until then
  std::string detail = {};
  std::vector<ReferencePcr> values = {};          // at most kMaxAuditValues
  std::map<std::string, std::string> shown = {};  // by a host that waited for approval
};
std::string OperatorRecord(const OperatorAction& action, Time now);

// "policy.applied": which one decides from here on, and who says so.
std::string PolicyAuditRecord(const PolicyRecord& policy, const std::string& actor);

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
