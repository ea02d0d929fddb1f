#include "issuer/node_record.h"

#include <fmt/format.h>

#include "crypto/digest.h"
#include "issuer/network.h"
#include "issuer/node_limits.h"
#include "lodekey/store/v1/store.pb.h"

namespace lodekey::issuer {
namespace {

namespace v1 = ::lodekey::store::v1;

std::unexpected<Error> Invalid(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "node-state-invalid"});
}

std::string Text(const Bytes& bytes) { return std::string(AsText(bytes)); }
int64_t Milliseconds(Time time) { return time.time_since_epoch().count(); }
Time AtMilliseconds(int64_t count) { return Time(Duration(count)); }

void EncodeBank(const tpm::PcrBank& bank, v1::PcrBank& out) {
  out.set_alg(std::string(crypto::HashName(bank.alg)));
  for (const auto& [pcr, value] : bank.values) {
    v1::PcrValue& entry = *out.add_values();
    entry.set_pcr(pcr);
    entry.set_value(Text(value));
  }
}

Result<tpm::PcrBank> DecodeBank(const v1::PcrBank& in) {
  tpm::PcrBank bank;
  const auto alg = crypto::ParseHashName(in.alg());
  if (!alg) return Invalid("a PCR bank has no known algorithm");
  bank.alg = *alg;
  for (const v1::PcrValue& entry : in.values()) {
    if (entry.pcr() >= tpm::kPcrCount) return Invalid(fmt::format("no register {}", entry.pcr()));
    const auto pcr = static_cast<uint8_t>(entry.pcr());
    const bool first = bank.values.emplace(pcr, ToBytes(entry.value())).second;
    if (!first) return Invalid(fmt::format("PCR {} stands twice in a bank", pcr));
  }
  return bank;
}

void EncodeClock(const tpm::ClockInfo& clock, v1::Clock& out) {
  out.set_clock(clock.clock);
  out.set_reset_count(clock.reset_count);
  out.set_restart_count(clock.restart_count);
  out.set_safe(clock.safe);
}

void EncodeFacts(const std::vector<attest::Fact>& facts, v1::Enrolment& out) {
  for (const attest::Fact& fact : facts) {
    v1::Fact& message = *out.add_facts();
    message.set_name(fact.name);
    message.set_value(fact.value);
    message.set_grade(std::string(attest::GradeName(fact.grade)));
  }
}

Result<std::vector<attest::Fact>> DecodeFacts(const v1::Enrolment& in) {
  std::vector<attest::Fact> facts;
  for (const v1::Fact& message : in.facts()) {
    const auto grade = attest::ParseGrade(message.grade());
    if (!grade) return Invalid("a fact has no grade that is known");
    facts.push_back({.name = message.name(), .value = message.value(), .grade = *grade});
  }
  return facts;
}

void EncodeEnrolment(const Enrolment& enrolment, v1::Enrolment& out) {
  out.set_ek_public(Text(enrolment.ek_public));
  out.set_ak_public(Text(enrolment.ak_public));
  out.set_node_key_public(Text(enrolment.node_key_public));
  out.set_enrolled_ms(Milliseconds(enrolment.enrolled));
  out.set_assurance(enrolment.assurance);
  out.set_firmware_version(enrolment.firmware_version);
  EncodeClock(enrolment.clock, *out.mutable_clock());
  out.set_evidence_time_ms(Milliseconds(enrolment.evidence_time));
  EncodeBank(enrolment.pcrs, *out.mutable_pcrs());
  EncodeBank(enrolment.static_pcrs, *out.mutable_static_pcrs());
  out.set_boot_log_digest(Text(enrolment.boot_log_digest));
  out.set_ledger_pcr(enrolment.ledger_pcr);
  out.set_ledger(Text(enrolment.ledger));
  out.set_ima_bytes(enrolment.ima_bytes);
  out.set_serial(Text(enrolment.serial));
  out.set_not_after_ms(Milliseconds(enrolment.not_after));
  EncodeFacts(enrolment.facts, out);
}

Result<Enrolment> DecodeEnrolment(const v1::Enrolment& in) {
  if (in.ledger_pcr() > 0xff) return Invalid(fmt::format("no register {}", in.ledger_pcr()));
  ASSIGN_OR_RETURN(tpm::PcrBank pcrs, DecodeBank(in.pcrs()), "pcrs");
  ASSIGN_OR_RETURN(tpm::PcrBank static_pcrs, DecodeBank(in.static_pcrs()), "static_pcrs");
  ASSIGN_OR_RETURN(std::vector<attest::Fact> facts, DecodeFacts(in), "facts");
  return Enrolment{.ek_public = ToBytes(in.ek_public()),
                   .ak_public = ToBytes(in.ak_public()),
                   .node_key_public = ToBytes(in.node_key_public()),
                   .enrolled = AtMilliseconds(in.enrolled_ms()),
                   .assurance = in.assurance(),
                   .firmware_version = in.firmware_version(),
                   .clock = {.clock = in.clock().clock(),
                             .reset_count = in.clock().reset_count(),
                             .restart_count = in.clock().restart_count(),
                             .safe = in.clock().safe()},
                   .evidence_time = AtMilliseconds(in.evidence_time_ms()),
                   .pcrs = std::move(pcrs),
                   .static_pcrs = std::move(static_pcrs),
                   .boot_log_digest = ToBytes(in.boot_log_digest()),
                   .ledger_pcr = static_cast<uint8_t>(in.ledger_pcr()),
                   .ledger = ToBytes(in.ledger()),
                   .ima_bytes = in.ima_bytes(),
                   .serial = ToBytes(in.serial()),
                   .not_after = AtMilliseconds(in.not_after_ms()),
                   .facts = std::move(facts)};
}

void EncodeNonce(const IssuedNonce& nonce, v1::Nonce& out) {
  out.set_value(Text(nonce.value));
  out.set_made_ms(Milliseconds(nonce.made));
  out.set_expires_ms(Milliseconds(nonce.expires));
  out.set_request_digest(Text(nonce.request_digest));
  out.set_reply(Text(nonce.reply));
}

IssuedNonce DecodeNonce(const v1::Nonce& in) {
  return {.value = ToBytes(in.value()),
          .made = AtMilliseconds(in.made_ms()),
          .expires = AtMilliseconds(in.expires_ms()),
          .request_digest = ToBytes(in.request_digest()),
          .reply = ToBytes(in.reply())};
}

using Labels = std::map<std::string, std::string>;
using LabelMessages = google::protobuf::RepeatedPtrField<v1::Label>;

void EncodeLabels(const Labels& labels, LabelMessages& out) {
  for (const auto& [name, value] : labels) {
    v1::Label& label = *out.Add();
    label.set_name(name);
    label.set_value(value);
  }
}

Result<Labels> DecodeLabels(const LabelMessages& messages) {
  Labels labels;
  for (const v1::Label& label : messages) {
    const bool first = labels.emplace(label.name(), label.value()).second;
    if (!first) return Invalid("a label stands twice");
  }
  return labels;
}

}  // namespace

std::string_view StandingName(Standing standing) {
  switch (standing) {
    case Standing::kAllowed: return "allowed";
    case Standing::kActive: return "active";
    case Standing::kRefused: return "refused";
    case Standing::kQuarantined: return "quarantined";
    case Standing::kRemoved: return "removed";
    case Standing::kPending: return "pending";
    case Standing::kBarred: return "barred";
  }
  return "refused";
}

Result<Standing> ParseStanding(std::string_view name) {
  for (const Standing standing : kStandings) {
    if (StandingName(standing) == name) return standing;
  }
  return Fail(Code::kInvalidArgument, fmt::format("no standing is called \"{:.32}\"", name));
}

ByteView NodeRecord::BootLog() const {
  if (!enrolment || standing == Standing::kRemoved) return {};
  return enrolment->boot_log_digest;
}

std::string NodeRecord::Group() const {
  const auto label = labels.find("group");
  return label == labels.end() ? "default" : label->second;
}

std::string SourceOfWaiting(const NodeRecord& record) {
  const auto source = record.shown.find("source");
  return source == record.shown.end() ? "" : NetworkOf(source->second, kSitePrefix);
}

std::string EncodeNodeState(const NodeRecord& record) {
  v1::NodeState state;
  EncodeLabels(record.labels, *state.mutable_labels());
  state.set_created_ms(Milliseconds(record.created));
  state.set_updated_ms(Milliseconds(record.updated));
  for (const std::string& hash : record.ek_hashes) state.add_ek_hashes(hash);
  if (record.enrolment) EncodeEnrolment(*record.enrolment, *state.mutable_enrolment());
  for (const IssuedNonce& nonce : record.nonces) EncodeNonce(nonce, *state.add_nonces());
  state.set_approved_ak(Text(record.approved_ak));
  if (record.pending_ak) {
    state.mutable_pending_ak()->set_ak_name(Text(record.pending_ak->ak_name));
    state.mutable_pending_ak()->set_seen_ms(Milliseconds(record.pending_ak->seen));
  }
  state.set_last_verdict(record.last_verdict);
  EncodeBank(record.last_pcrs, *state.mutable_last_pcrs());
  state.set_last_seen_ms(Milliseconds(record.last_seen));
  if (record.reset_count_decreased)
    state.set_reset_count_decreased_ms(Milliseconds(*record.reset_count_decreased));
  EncodeLabels(record.shown, *state.mutable_shown());
  state.set_devid(Text(record.devid));
  state.set_devid_name(record.devid_name);
  return state.SerializeAsString();
}

Result<NodeRecord> DecodeNodeState(NodeId id, uint64_t revision, Standing standing,
                                   std::string_view state) {
  v1::NodeState in;
  if (state.size() > kMaxNodeState) return Invalid("the node state is too large");
  if (!in.ParseFromArray(state.data(), static_cast<int>(state.size()))) {
    return Invalid("the node state is not the message it should be");
  }
  NodeRecord record{.id = std::move(id), .standing = standing, .revision = revision};
  ASSIGN_OR_RETURN(record.labels, DecodeLabels(in.labels()), "read the labels");
  record.created = AtMilliseconds(in.created_ms());
  record.updated = AtMilliseconds(in.updated_ms());
  record.ek_hashes.assign(in.ek_hashes().begin(), in.ek_hashes().end());
  if (in.has_enrolment()) {
    ASSIGN_OR_RETURN(record.enrolment, DecodeEnrolment(in.enrolment()), "read the enrolment");
  }
  for (const v1::Nonce& nonce : in.nonces()) record.nonces.push_back(DecodeNonce(nonce));
  record.approved_ak = ToBytes(in.approved_ak());
  if (in.has_pending_ak()) {
    record.pending_ak = PendingAk{.ak_name = ToBytes(in.pending_ak().ak_name()),
                                  .seen = AtMilliseconds(in.pending_ak().seen_ms())};
  }
  record.last_verdict = in.last_verdict();
  ASSIGN_OR_RETURN(record.last_pcrs, DecodeBank(in.last_pcrs()), "read the last PCR values");
  record.last_seen = AtMilliseconds(in.last_seen_ms());
  if (in.has_reset_count_decreased_ms())
    record.reset_count_decreased = AtMilliseconds(in.reset_count_decreased_ms());
  ASSIGN_OR_RETURN(record.shown, DecodeLabels(in.shown()), "read what it showed");
  record.devid = ToBytes(in.devid());
  record.devid_name = in.devid_name();
  RETURN_IF_ERROR(CheckNodeRecord(record), "read a node's state");
  return record;
}

}  // namespace lodekey::issuer
