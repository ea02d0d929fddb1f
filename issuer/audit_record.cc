#include "issuer/audit_record.h"

#include <nlohmann/json.hpp>

namespace lodekey::issuer {
namespace {

using Json = nlohmann::ordered_json;

// Texts of strangers may not be UTF-8; they are replaced, never a reason to lose the record.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// A rule may name every value that a group accepts: the record has to fit its line however many
// there are.
constexpr size_t kMaxText = 256;

std::string Clipped(const std::string& text) {
  return text.size() <= kMaxText ? text : text.substr(0, kMaxText) + "...";
}

}  // namespace

std::string VerdictRecord(std::string_view event, const NodeId& node,
                          const attest::Verdict& verdict, Standing standing, Time now) {
  Json json = {{"time", FormatTime(now)},
               {"event", event},
               {"node", node},
               {"outcome", attest::OutcomeName(verdict.outcome())},
               {"standing", StandingName(standing)}};
  for (const attest::FailedRule& rule : verdict.failed()) {
    json["failed"].push_back({{"code", rule.code},
                              {"subject", rule.subject},
                              {"expected", Clipped(rule.expected)},
                              {"seen", Clipped(rule.seen)}});
  }
  return Line(json);
}

std::string CredentialAuditRecord(const CredentialRecord& credential, Time now) {
  return Line({{"time", FormatTime(now)},
               {"event", "credential.issued"},
               {"node", credential.node},
               {"spiffe_id", credential.spiffe_id},
               {"serial", ToHex(credential.serial)},
               {"not_before", FormatTime(credential.not_before)},
               {"not_after", FormatTime(credential.not_after)},
               {"evidence_time", FormatTime(credential.evidence_time)},
               {"tbs_sha256", ToHex(credential.tbs_digest)}});
}

std::string CertificateAuditRecord(std::string_view event, const crypto::CertificateSpec& spec,
                                   const crypto::PublicKey& key, Time now) {
  return Line({{"time", FormatTime(now)},
               {"event", event},
               {"serial", ToHex(spec.serial)},
               {"key_sha256", ToHex(key.spki_sha256())},
               {"not_after", FormatTime(spec.not_after)}});
}

std::string OperatorRecord(const OperatorAction& action, Time now) {
  Json json = {{"time", FormatTime(now)},
               {"event", action.event},
               {"actor", action.actor},
               {"node", action.node}};
  if (!action.before.empty()) json["before"] = action.before;
  if (!action.detail.empty()) json["detail"] = action.detail;
  for (const ReferencePcr& reference : action.values)
    json["values"].push_back({{"pcr", reference.pcr}, {"value", ToHex(reference.value)}});
  return Line(json);
}

}  // namespace lodekey::issuer
