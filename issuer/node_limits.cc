#include "issuer/node_limits.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

#include "crypto/digest.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kSha256Size = 32;

Result<void> Require(bool holds, std::string_view field, std::string_view rule) {
  if (holds) return {};
  return Fail(Code::kInvalidArgument, fmt::format("{} {}", field, rule),
              {.name = "node-state-invalid"});
}

Result<void> AtMost(size_t size, size_t max, std::string_view field) {
  if (size <= max) return {};
  return Require(false, field, fmt::format("has {} of at most {}", size, max));
}

Result<void> FirstFailure(std::initializer_list<Result<void>> checks) {
  for (const Result<void>& check : checks) {
    if (!check) return check;
  }
  return {};
}

Result<void> CheckTime(Time time, std::string_view field) {
  return Require(IsStorableTime(time), field, "is not between the years 1970 and 9999");
}

Result<void> CheckDigest(const Bytes& digest, std::string_view field) {
  return Require(digest.empty() || digest.size() == kSha256Size, field, "is not 32 bytes long");
}

// TPM 2.0 part 1, 16: the algorithm's two bytes and the digest.
Result<void> CheckName(const Bytes& name, std::string_view field) {
  constexpr std::array<size_t, 4> kSizes = {22, 34, 50, 66};
  return Require(std::ranges::count(kSizes, name.size()) == 1, field, "has no size of a TPM name");
}

Result<void> CheckBank(const tpm::PcrBank& bank, std::string_view field) {
  for (const auto& [pcr, value] : bank.values) {
    const bool right_size = value.size() == crypto::DigestSize(bank.alg);
    RETURN_IF_ERROR(Require(pcr < tpm::kPcrCount && right_size, field,
                            "has a register that does not exist or a value of another size"),
                    fmt::format("PCR {}", pcr));
  }
  return {};
}

Result<void> CheckTexts(const std::map<std::string, std::string>& texts, size_t max_value,
                        std::string_view what) {
  for (const auto& [name, value] : texts) {
    RETURN_IF_ERROR(FirstFailure({Require(!name.empty(), "name", "is empty"),
                                  AtMost(name.size(), kMaxLabelName, "name"),
                                  AtMost(value.size(), max_value, "value")}),
                    what);
  }
  return {};
}

Result<void> CheckLabels(const std::map<std::string, std::string>& labels) {
  RETURN_IF_ERROR(CheckTexts(labels, kMaxLabelValue, "label"), "labels");
  return AtMost(labels.size(), kMaxLabels, "labels");
}

Result<void> CheckShown(const NodeRecord& record) {
  RETURN_IF_ERROR(CheckTexts(record.shown, kMaxShownValue, "shown"), "what it showed");
  return FirstFailure({AtMost(record.shown.size(), kMaxShown, "shown"),
                       CheckDigest(record.devid, "devid"),
                       AtMost(record.devid_name.size(), kMaxShownValue, "devid_name")});
}

Result<void> CheckEndorsementKeys(const NodeRecord& record) {
  const auto& hashes = record.ek_hashes;
  return FirstFailure({AtMost(hashes.size(), kMaxEndorsementKeys, "ek_hashes"),
                       Require(std::ranges::all_of(hashes, IsKeyHash), "ek_hashes",
                               "has one that is not 64 lower-case hex digits"),
                       Require(hashes.empty() || hashes.front() == record.id, "ek_hashes",
                               "does not begin with the node's id")});
}

Result<void> CheckNonces(const std::vector<IssuedNonce>& nonces) {
  for (const IssuedNonce& nonce : nonces) {
    RETURN_IF_ERROR(
        FirstFailure({Require(nonce.value.size() == kSha256Size, "value", "is not 32 bytes long"),
                      CheckDigest(nonce.request_digest, "request_digest"),
                      AtMost(nonce.reply.size(), kMaxReply, "reply"), CheckTime(nonce.made, "made"),
                      CheckTime(nonce.expires, "expires")}),
        "nonce");
  }
  return AtMost(nonces.size(), kMaxNonces, "nonces");
}

Result<void> CheckAssurance(std::string_view assurance) {
  constexpr std::array<std::string_view, 3> kNames = {"hardware", "inventory", "emulator"};
  return Require(std::ranges::count(kNames, assurance) == 1, "assurance", "has no known name");
}

Result<void> CheckFacts(const std::vector<attest::Fact>& facts) {
  for (const attest::Fact& fact : facts) {
    RETURN_IF_ERROR(FirstFailure({Require(!fact.name.empty(), "name", "is empty"),
                                  AtMost(fact.name.size(), kMaxFactName, "name"),
                                  AtMost(fact.value.size(), kMaxFactValue, "value")}),
                    "fact");
  }
  return AtMost(facts.size(), kMaxFacts, "facts");
}

Result<void> CheckEnrolment(const Enrolment& enrolment) {
  return FirstFailure(
      {AtMost(enrolment.ek_public.size(), kMaxPublicArea, "ek_public"),
       AtMost(enrolment.ak_public.size(), kMaxPublicArea, "ak_public"),
       AtMost(enrolment.node_key_public.size(), kMaxPublicArea, "node_key_public"),
       CheckTime(enrolment.enrolled, "enrolled"), CheckAssurance(enrolment.assurance),
       CheckTime(enrolment.evidence_time, "evidence_time"), CheckBank(enrolment.pcrs, "pcrs"),
       CheckBank(enrolment.static_pcrs, "static_pcrs"),
       CheckDigest(enrolment.boot_log_digest, "boot_log_digest"),
       Require(enrolment.ledger_pcr < tpm::kPcrCount || enrolment.ledger_pcr == 0xff, "ledger_pcr",
               "names a register that does not exist"),
       AtMost(enrolment.ledger.size(), kMaxLedger, "ledger"),
       Require(enrolment.ima_bytes <= kMaxImaBytes, "ima_bytes", "is too large"),
       AtMost(enrolment.serial.size(), kMaxSerial, "serial"),
       CheckTime(enrolment.not_after, "not_after"), CheckFacts(enrolment.facts)});
}

Result<void> CheckAttestationKeys(const NodeRecord& record) {
  if (!record.approved_ak.empty()) {
    RETURN_IF_ERROR(CheckName(record.approved_ak, "approved_ak"), "approval");
  }
  if (!record.pending_ak) return {};
  return FirstFailure({CheckName(record.pending_ak->ak_name, "pending_ak"),
                       CheckTime(record.pending_ak->seen, "pending_ak")});
}

}  // namespace

bool IsKeyHash(std::string_view text) {
  return text.size() == 2 * kSha256Size && std::ranges::all_of(text, [](char digit) {
           return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
         });
}

bool IsStorableTime(Time time) {
  constexpr Time kEnd = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);
  return time >= Time{} && time < kEnd;
}

Result<void> CheckNodeRecord(const NodeRecord& record) {
  if (record.enrolment) RETURN_IF_ERROR(CheckEnrolment(*record.enrolment), "enrolment");
  return FirstFailure(
      {Require(IsKeyHash(record.id), "id", "is not 64 lower-case hex digits"),
       CheckLabels(record.labels), CheckEndorsementKeys(record), CheckNonces(record.nonces),
       CheckAttestationKeys(record), CheckShown(record),
       AtMost(record.last_verdict.size(), kMaxVerdict, "last_verdict"),
       CheckBank(record.last_pcrs, "last_pcrs"), CheckTime(record.created, "created"),
       CheckTime(record.updated, "updated"), CheckTime(record.last_seen, "last_seen"),
       CheckTime(record.reset_count_decreased.value_or(Time{}), "reset_count_decreased")});
}

}  // namespace lodekey::issuer
