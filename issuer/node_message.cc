#include "issuer/node_message.h"

#include <fmt/format.h>

#include "attest/codec.h"
#include "issuer/approval.h"
#include "issuer/inventory.h"

namespace lodekey::issuer {
namespace {

namespace admin = lodekey::admin::v1;

void EncodeEnrolment(const Enrolment& enrolment, admin::Node& message) {
  message.set_assurance(enrolment.assurance);
  message.set_evidence_unix_ms(enrolment.evidence_time.time_since_epoch().count());
  message.set_not_after_unix_ms(enrolment.not_after.time_since_epoch().count());
  message.set_serial(attest::ToField(enrolment.serial));
  const auto ak = tpm::PublicArea::Parse(enrolment.ak_public);
  if (ak) message.set_ak_name(attest::ToField(ak->name()));
  message.set_firmware_version(enrolment.firmware_version);
  message.set_reset_count(enrolment.clock.reset_count);
  message.set_restart_count(enrolment.clock.restart_count);
  message.set_boot_log_digest(attest::ToField(enrolment.boot_log_digest));
  message.set_ima_bytes(enrolment.ima_bytes);
}

std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "values-malformed"});
}

// Stored bytes that are no verdict are shown as such: one node must not hide the others.
lodekey::verdict::v1::Verdict DecodeVerdict(const std::string& stored) {
  lodekey::verdict::v1::Verdict verdict;
  if (verdict.ParseFromString(stored)) return verdict;
  verdict.Clear();
  auto& rule = *verdict.add_failed();
  rule.set_code("verdict-unreadable");
  rule.set_subject("last verdict");
  rule.set_seen(fmt::format("{} bytes", stored.size()));
  rule.set_accept("The node's next evidence; its verdict replaces this one.");
  return verdict;
}

}  // namespace

admin::PcrValue EncodePcrValue(crypto::HashAlg bank, uint8_t pcr, ByteView value) {
  admin::PcrValue message;
  message.set_bank(std::string(crypto::HashName(bank)));
  message.set_pcr(pcr);
  message.set_value(attest::ToField(value));
  return message;
}

Result<tpm::PcrBank> DecodePcrValues(
    const google::protobuf::RepeatedPtrField<admin::PcrValue>& values) {
  tpm::PcrBank bank;
  if (values.empty()) return bank;
  const auto alg = crypto::ParseHashName(values.at(0).bank());
  if (!alg) return Malformed("the PCR values are of no known bank");
  bank.alg = *alg;
  for (const admin::PcrValue& value : values) {
    if (value.bank() != values.at(0).bank()) return Malformed("the PCR values are of two banks");
    if (value.pcr() >= tpm::kPcrCount) return Malformed(fmt::format("no register {}", value.pcr()));
    if (value.value().size() != crypto::DigestSize(bank.alg))
      return Malformed(fmt::format("the value of PCR {} has a wrong size", value.pcr()));
    const auto pcr = static_cast<uint8_t>(value.pcr());
    if (!bank.values.emplace(pcr, attest::FromField(value.value())).second)
      return Malformed(fmt::format("PCR {} stands twice", pcr));
  }
  return bank;
}

Result<admin::Node> EncodeNode(Context& context, const NodeRecord& record) {
  admin::Node message;
  message.set_id(record.id);
  message.set_spiffe_id(fmt::format("spiffe://{}/node/{}", context.config.trust_domain, record.id));
  message.set_standing(std::string(StandingName(record.standing)));
  message.mutable_labels()->insert(record.labels.begin(), record.labels.end());
  message.set_group(record.Group());
  for (const std::string& hash : record.ek_hashes) message.add_ek_hashes(hash);
  message.set_created_unix_ms(record.created.time_since_epoch().count());
  message.set_last_seen_unix_ms(record.last_seen.time_since_epoch().count());
  if (record.enrolment) EncodeEnrolment(*record.enrolment, message);
  if (record.pending_ak) message.set_pending_ak_name(attest::ToField(record.pending_ak->ak_name));
  if (record.standing == Standing::kPending)
    message.set_appearance(attest::ToField(AppearanceOf(record)));
  message.mutable_shown()->insert(record.shown.begin(), record.shown.end());
  message.set_devid(record.devid_name);
  message.set_approved_ak_name(attest::ToField(record.approved_ak));
  message.set_shared_pcrs(Inventory(context).SharedPcrs(record));
  for (const auto& [pcr, value] : record.last_pcrs.values)
    *message.add_pcrs() = EncodePcrValue(record.last_pcrs.alg, pcr, value);
  if (!record.last_verdict.empty())
    *message.mutable_last_verdict() = DecodeVerdict(record.last_verdict);
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(const auto references, view.ListReferences(record.Group()), "references");
    for (const ReferencePcr& reference : references)
      *message.add_references() = EncodePcrValue(reference.bank, reference.pcr, reference.value);
    return {};
  }),
                  "references");
  return message;
}

}  // namespace lodekey::issuer
