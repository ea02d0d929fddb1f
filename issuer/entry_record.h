// An entry as the database keeps it, and the limits that hold for every store.
#pragma once

#include <string>
#include <string_view>

#include "attest/entry.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxEntryId = 64;                      // bytes
inline constexpr size_t kMaxEntryContent = size_t{256} << 10;  // bytes

// A new id: a UUID of version 7 (RFC 9562, 5.7), so that entries sort by when they were made; of
// those that are made at once, by their place (below 4,096).
std::string NewEntryId(Time now, size_t place = 0);

// The content column: a serialised lodekey.entry.v1.Entry without id and revision.
std::string EncodeEntryContent(const attest::Entry& entry);

// kInvalidArgument ("entry-invalid", "selector-invalid") when `content` is no such message.
Result<attest::Entry> DecodeEntryContent(std::string id, uint64_t revision, ByteView content);

// kInvalidArgument ("record-invalid"). Whether the entry may be used is attest::CheckEntry's to
// say.
Result<void> CheckStoredEntry(const attest::Entry& entry);

}  // namespace lodekey::issuer
