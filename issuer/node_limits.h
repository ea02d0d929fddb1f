// What a node record may be at most. Checked before a record is stored and after it is read, so
// that neither a caller nor a hand in the database brings in more.
#pragma once

#include "base/result.h"
#include "issuer/node_record.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxNodeState = size_t{2} << 20;  // bytes of the serialised state
inline constexpr size_t kMaxLabels = 64;
inline constexpr size_t kMaxLabelName = 64;    // bytes
inline constexpr size_t kMaxLabelValue = 256;  // bytes
inline constexpr size_t kMaxShown = 16;
inline constexpr size_t kMaxShownValue =
    1024;  // bytes, a certificate's subject and serial among them
inline constexpr size_t kMaxFacts = 128;
inline constexpr size_t kMaxFactName = 64;     // bytes
inline constexpr size_t kMaxFactValue = 4096;  // bytes
inline constexpr size_t kMaxEndorsementKeys = 16;
inline constexpr size_t kMaxNonces = 8;
inline constexpr size_t kMaxPublicArea = 1024;  // bytes of a TPM2B_PUBLIC
inline constexpr size_t kMaxLedger = 65536;     // bytes
// A verdict has the reasons of a policy twice: 32 of them, with up to 5 texts of 1 KiB.
inline constexpr size_t kMaxReply = size_t{512} << 10;    // bytes of a nonce's reply
inline constexpr size_t kMaxVerdict = size_t{512} << 10;  // bytes
inline constexpr size_t kMaxSerial = 20;                  // bytes, RFC 5280 4.1.2.2
inline constexpr uint64_t kMaxImaBytes = uint64_t{1} << 40;

// 64 lower-case hex digits, the form of a node id and of an EK hash.
bool IsKeyHash(std::string_view text);

// From 1970 to the end of the year 9999: what has an RFC 3339 form.
bool IsStorableTime(Time time);

// kInvalidArgument ("node-state-invalid"); the text names the field.
Result<void> CheckNodeRecord(const NodeRecord& record);

}  // namespace lodekey::issuer
