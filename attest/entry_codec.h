// Between entries and messages.
#pragma once

#include "attest/entry.h"
#include "base/result.h"
#include "lodekey/entry/v1/entry.pb.h"

namespace lodekey::attest {

lodekey::entry::v1::Entry EncodeEntry(const Entry& entry);

// Takes apart; whether the entry may be used is CheckEntry's to say. kInvalidArgument
// ("selector-invalid", "entry-invalid").
Result<Entry> DecodeEntry(const lodekey::entry::v1::Entry& message);

}  // namespace lodekey::attest
