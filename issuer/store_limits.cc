#include "issuer/store_limits.h"

#include <fmt/format.h>

#include "crypto/digest.h"
#include "issuer/entry_record.h"
#include "issuer/node_limits.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kSha256Size = 32;
constexpr size_t kEd25519Key = 32;
constexpr size_t kEd25519Signature = 64;

Result<void> Require(bool holds, std::string_view text) {
  if (holds) return {};
  return Fail(Code::kInvalidArgument, std::string(text), {.name = "record-invalid"});
}

bool Within(size_t size, size_t max) { return size > 0 && size <= max; }

}  // namespace

Result<void> CheckReference(const ReferencePcr& reference) {
  RETURN_IF_ERROR(Require(Within(reference.group.size(), kMaxLabelValue), "the group's name"),
                  "reference value");
  RETURN_IF_ERROR(Require(reference.pcr < tpm::kPcrCount, "no such register"), "reference value");
  RETURN_IF_ERROR(Require(reference.value.size() == crypto::DigestSize(reference.bank),
                          "the value has another size than its bank"),
                  "reference value");
  RETURN_IF_ERROR(Require(IsStorableTime(reference.approved), "the time of approval"),
                  "reference value");
  return Require(reference.approved_by.size() <= kMaxApprover, "the approver's name is too long");
}

Result<void> CheckCredential(const CredentialRecord& record) {
  RETURN_IF_ERROR(Require(Within(record.serial.size(), kMaxSerial), "the serial"), "credential");
  RETURN_IF_ERROR(Require(Within(record.spiffe_id.size(), kMaxSpiffeId), "the SPIFFE id"),
                  "credential");
  RETURN_IF_ERROR(
      Require(record.tbs_digest.size() == kSha256Size, "the digest is not 32 bytes long"),
      "credential");
  RETURN_IF_ERROR(Require((record.kind == CredentialKind::kNode) == record.entry.empty() &&
                              record.entry.size() <= kMaxEntryId,
                          "a workload's names its entry, a node's own none"),
                  "credential");
  return Require(IsStorableTime(record.not_before) && IsStorableTime(record.not_after) &&
                     IsStorableTime(record.evidence_time),
                 "credential: a time is out of range");
}

Result<void> CheckChallenge(ByteView id, Time expires) {
  return Require(Within(id.size(), kMaxChallengeId) && IsStorableTime(expires),
                 "challenge: the id's size or the time is out of range");
}

Result<void> CheckLog(ByteView digest, ByteView content, Time now) {
  RETURN_IF_ERROR(Require(content.size() <= kMaxLogBytes, "more than 4 MiB"), "log");
  RETURN_IF_ERROR(Require(IsStorableTime(now), "the time is out of range"), "log");
  return Require(Equal(digest, crypto::Sha256(content)), "log: the digest is not its SHA-256");
}

Result<void> CheckIma(uint64_t offset, ByteView content) {
  return Require(content.size() <= kMaxLogBytes && offset <= kMaxImaBytes,
                 "IMA list: the offset or the size is too large");
}

Result<void> CheckPolicy(const PolicyRecord& record) {
  RETURN_IF_ERROR(Require(record.version > 0, "the first version is 1"), "policy");
  RETURN_IF_ERROR(Require(record.digest.size() == kSha256Size, "the digest is not 32 bytes long"),
                  "policy");
  RETURN_IF_ERROR(Require(Within(record.content.size(), kMaxPolicyContent), "the content"),
                  "policy");
  RETURN_IF_ERROR(Require(IsStorableTime(record.applied), "the time is out of range"), "policy");
  RETURN_IF_ERROR(
      Require(record.applied_by.size() <= kMaxApprover && record.note.size() <= kMaxPolicyNote,
              "the name or the note is too long"),
      "policy");
  RETURN_IF_ERROR(Require(record.rolled_back_to < record.version, "it rolls back to itself"),
                  "policy");
  const bool is_signed = record.signed_version > 0;
  return Require(record.signer.size() == (is_signed ? kEd25519Key : 0) &&
                     record.signature.size() == (is_signed ? kEd25519Signature : 0),
                 "policy: a signature has a version, a key and 64 bytes, or nothing of these");
}

Result<void> CheckDecision(const DecisionRecord& record) {
  RETURN_IF_ERROR(Require(IsStorableTime(record.decided), "the time is out of range"), "decision");
  RETURN_IF_ERROR(Require(Within(record.point.size(), kMaxDecisionPoint), "the point's name"),
                  "decision");
  RETURN_IF_ERROR(Require(IsKeyHash(record.node), "the node's id"), "decision");
  RETURN_IF_ERROR(Require(record.entry.size() <= kMaxEntryId, "the entry's id"), "decision");
  RETURN_IF_ERROR(Require(Within(record.input.size(), kMaxDecisionInput), "the input's size"),
                  "decision");
  RETURN_IF_ERROR(Require(record.outcome.size() <= kMaxDecisionOutcome, "the outcome is too large"),
                  "decision");
  return Require(Equal(record.input_digest, crypto::Sha256(AsBytes(record.input))),
                 "decision: the digest is not the input's SHA-256");
}

Result<void> CheckAuditRecord(std::string_view record) {
  RETURN_IF_ERROR(Require(record.size() <= kMaxAuditRecord, "too long"), "audit record");
  return Require(record.starts_with('{') && record.ends_with('}') &&
                     record.find_first_of("\r\n") == std::string_view::npos,
                 "audit record: not a JSON object on one line");
}

}  // namespace lodekey::issuer
