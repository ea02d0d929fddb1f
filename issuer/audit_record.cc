#include "issuer/audit_record.h"

#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "base/utf8.h"
#include "crypto/digest.h"

namespace lodekey::issuer {
namespace {

using Json = nlohmann::ordered_json;

// Texts of strangers may not be UTF-8; they are replaced, never a reason to lose the record.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// A rule may name every value that a group accepts, and a policy may have much to say: the record
// has to fit its line however much it is, or what it records would not be stored.
constexpr size_t kMaxText = 256;
// Bytes of JSON of the rules that failed. The rest of the line, with two rulings of 32 codes each,
// has far less than what it leaves.
constexpr size_t kMaxFailed = size_t{48} << 10;
// Bytes of an entry's field, once before and once after: all of them fit a line.
constexpr size_t kMaxField = 1024;

std::string Clipped(const std::string& text, size_t most = kMaxText) {
  return text.size() <= most ? text : std::string(ClipUtf8(text, most)) + "...";
}

// Which policy decided, by which rule and why; on what, is kept with the decision.
Json PolicyField(const Ruling& ruling) {
  Json reasons = Json::array();
  for (const Reason& reason : ruling.output().reasons) reasons.push_back(Clipped(reason.code));
  return {{"version", ruling.policy_version()},
          {"rule", Clipped(ruling.output().rule)},
          {"reasons", std::move(reasons)},
          {"input", ToHex(ruling.input_digest())}};
}

// As many as fit, and how many do not: escaped, a text has up to six times its bytes.
void AddFailed(const std::vector<attest::FailedRule>& failed, Json& json) {
  size_t bytes = 0;
  for (size_t i = 0; i < failed.size(); ++i) {
    Json field = {{"code", Clipped(failed[i].code)},
                  {"subject", Clipped(failed[i].subject)},
                  {"expected", Clipped(failed[i].expected)},
                  {"seen", Clipped(failed[i].seen)}};
    bytes += Line(field).size() + 1;
    if (bytes > kMaxFailed) {
      json["failed_left_out"] = failed.size() - i;
      return;
    }
    json["failed"].push_back(std::move(field));
  }
}

// By the names that docs/cli.md has for them; what is not set is null.
Json FieldsOf(const std::optional<attest::Entry>& entry) {
  if (!entry) return Json::object();
  Json selectors = Json::array();
  for (const attest::Selector& selector : entry->selectors)
    selectors.push_back(attest::FormatSelector(selector));
  return {{"spiffe_id", entry->spiffe_id},
          {"nodes", entry->scope.nodes},
          {"node_labels", entry->scope.labels},
          {"selectors", std::move(selectors)},
          {"x509_svid_ttl", FormatDuration(entry->x509_ttl)},
          {"jwt_svid_ttl", FormatDuration(entry->jwt_ttl)},
          {"dns_names", entry->dns_names},
          {"common_name", entry->common_name},
          {"hint", entry->hint},
          {"jwt_audiences", entry->jwt_audiences},
          {"owner", entry->owner},
          {"expires", entry->expires == Time() ? "" : FormatTime(entry->expires)},
          {"prefetch", entry->prefetch}};
}

// The value itself, or, where it is long, what tells it from others.
Json FieldValue(const Json& value) {
  const std::string text = Line(value);
  if (text.size() <= kMaxField) return value;
  return {{"bytes", text.size()}, {"sha256", ToHex(crypto::Sha256(AsBytes(text)))}};
}

Json ChangedFields(const Json& before, const Json& after) {
  Json changed = Json::object();
  for (const auto& field : (after.empty() ? before : after).items()) {
    const std::string& name = field.key();
    const Json old = before.value(name, Json());
    const Json now = after.value(name, Json());
    if (old == now) continue;
    if (!old.is_null()) changed[name]["before"] = FieldValue(old);
    if (!now.is_null()) changed[name]["after"] = FieldValue(now);
  }
  return changed;
}

std::string_view EventOf(const EntryAction& action) {
  if (!action.before) return "entry.created";
  return action.after ? "entry.updated" : "entry.deleted";
}

}  // namespace

std::string EvidenceRecord(const JudgedEvidence& judged, Time now) {
  Json json = {{"time", FormatTime(now)},
               {"event", judged.event},
               {"node", judged.node},
               {"outcome", attest::OutcomeName(judged.decision.outcome())},
               {"standing", StandingName(judged.standing)}};
  AddFailed(judged.decision.failed(), json);
  if (judged.admission != nullptr) json["admission"] = PolicyField(*judged.admission);
  if (judged.decision.ruling()) json["policy"] = PolicyField(*judged.decision.ruling());
  return Line(json);
}

std::string RulingRecord(std::string_view event, const Ruling& ruling, const NodeId& node,
                         const std::string& entry, Time now, std::string_view withheld) {
  Json json = {{"time", FormatTime(now)}, {"event", event}, {"node", node}};
  if (!entry.empty()) json["entry"] = entry;
  if (!withheld.empty()) json["withheld"] = withheld;
  json["policy"] = PolicyField(ruling);
  return Line(json);
}

std::string CredentialAuditRecord(const CredentialRecord& credential, const Ruling& ruling,
                                  Time now) {
  Json json = {{"time", FormatTime(now)},
               {"event", "credential.issued"},
               {"node", credential.node},
               {"kind", CredentialKindName(credential.kind)}};
  if (!credential.entry.empty()) json["entry"] = credential.entry;
  json.update({{"spiffe_id", credential.spiffe_id},
               {"serial", ToHex(credential.serial)},
               {"not_before", FormatTime(credential.not_before)},
               {"not_after", FormatTime(credential.not_after)},
               {"evidence_time", FormatTime(credential.evidence_time)},
               {"tbs_sha256", ToHex(credential.tbs_digest)},
               {"policy", PolicyField(ruling)}});
  return Line(json);
}

std::string CertificateAuditRecord(std::string_view event, const crypto::CertificateSpec& spec,
                                   const crypto::PublicKey& key, Time now) {
  return Line({{"time", FormatTime(now)},
               {"event", event},
               {"serial", ToHex(spec.serial)},
               {"key_sha256", ToHex(key.spki_sha256())},
               {"not_after", FormatTime(spec.not_after)}});
}

std::string JwtKeyAuditRecord(std::string_view id, const crypto::PublicKey& key, Time now) {
  return Line({{"time", FormatTime(now)},
               {"event", "jwt-key.issued"},
               {"key_id", id},
               {"key_sha256", ToHex(key.spki_sha256())}});
}

std::string OperatorRecord(const OperatorAction& action, Time now) {
  Json json = {{"time", FormatTime(now)},
               {"event", action.event},
               {"actor", action.actor},
               {"node", action.node}};
  if (!action.before.empty()) json["before"] = action.before;
  if (!action.detail.empty()) json["detail"] = action.detail;
  for (const auto& [name, value] : action.shown) json["shown"][name] = Clipped(value);
  for (const ReferencePcr& reference : action.values)
    json["values"].push_back({{"pcr", reference.pcr}, {"value", ToHex(reference.value)}});
  return Line(json);
}

std::string PolicyAuditRecord(const PolicyRecord& policy, const std::string& actor) {
  Json json = {{"time", FormatTime(policy.applied)},
               {"event", "policy.applied"},
               {"actor", actor},
               {"version", policy.version},
               {"digest", ToHex(policy.digest)},
               {"allows_all", policy.allows_all}};
  if (policy.rolled_back_to != 0) json["rolled_back_to"] = policy.rolled_back_to;
  if (!policy.note.empty()) json["note"] = Clipped(policy.note);
  if (!policy.signer.empty()) {
    json["signer"] = ToHex(policy.signer);
    json["signed_version"] = policy.signed_version;
  }
  return Line(json);
}

std::string EntryRecord(const EntryAction& action, Time now) {
  const attest::Entry entry = action.after.value_or(action.before.value_or(attest::Entry()));
  return Line({{"time", FormatTime(now)},
               {"event", EventOf(action)},
               {"actor", action.actor},
               {"entry", entry.id},
               {"revision", entry.revision},
               {"spiffe_id", Clipped(entry.spiffe_id, kMaxField)},
               {"changed", ChangedFields(FieldsOf(action.before), FieldsOf(action.after))}});
}

}  // namespace lodekey::issuer
