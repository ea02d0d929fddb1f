// An entry as JSON: what `entry show` prints and `entry import` reads (docs/cli.md). Pure.
#pragma once

#include <string_view>

#include "attest/entry.h"
#include "base/result.h"
#include "cli/json.h"

namespace lodekey::cli {

inline constexpr size_t kMaxEntryLine = size_t{256} << 10;  // bytes

// Every field, in the order of docs/cli.md.
Json EntryJson(const attest::Entry& entry);

// From one JSON object of at most kMaxEntryLine bytes. A field that is absent or null is as in a
// new entry; the revision is not looked at. Whether the entry may be used is the issuer's to say.
// kInvalidArgument ("entry-malformed"): no JSON, an unknown or repeated key, a value of another
// kind.
Result<attest::Entry> ParseEntryJson(std::string_view text);

}  // namespace lodekey::cli
