// What may be stored besides node records (issuer/node_limits.h). Shared by every store.
#pragma once

#include "base/result.h"
#include "issuer/policy_bundle.h"
#include "issuer/store.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxLogBytes = size_t{4} << 20;
inline constexpr size_t kMaxChallengeId = 64;  // bytes
inline constexpr size_t kMaxSpiffeId = 2048;   // bytes, SPIFFE-ID 2.4
inline constexpr size_t kMaxApprover = 256;    // bytes
inline constexpr size_t kMaxPolicyContent =
    attest::kMaxPolicyBytes + attest::kMaxPolicyFiles * 256;      // encoded
inline constexpr size_t kMaxPolicyNote = 1024;                    // bytes
inline constexpr size_t kMaxDecisionPoint = 32;                   // bytes
inline constexpr size_t kMaxDecisionOutcome = size_t{256} << 10;  // bytes
inline constexpr size_t kMaxDecisionInput = size_t{256} << 10;    // bytes
// Of inputs and outcomes in one list: the row that reaches it is the last.
inline constexpr size_t kMaxDecisionPage = size_t{16} << 20;
// How long what is over is still kept.
inline constexpr Duration kCredentialMargin = std::chrono::hours(24);
// Bytes of an audit record, so that the line around it stays within crypto::kMaxChainLine.
inline constexpr size_t kMaxAuditRecord = crypto::kMaxChainLine - 512;

// All of them: kInvalidArgument ("record-invalid"); the text names the field.
Result<void> CheckReference(const ReferencePcr& reference);
Result<void> CheckCredential(const CredentialRecord& record);
Result<void> CheckChallenge(ByteView id, Time expires);
// The digest must be the content's SHA-256: a node must not be able to occupy another one's log.
Result<void> CheckLog(ByteView digest, ByteView content, Time now);
Result<void> CheckIma(uint64_t offset, ByteView content);
Result<void> CheckPolicy(const PolicyRecord& record);
// The digest must be the input's SHA-256.
Result<void> CheckDecision(const DecisionRecord& record);
// One JSON object on one line; its inside is the caller's.
Result<void> CheckAuditRecord(std::string_view record);

}  // namespace lodekey::issuer
