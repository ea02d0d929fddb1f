// A TOML document flattened to dotted keys with their positions. The only file that knows toml++.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/config_value.h"

namespace lodekey::platform {

struct TomlEntry {
  std::string key;  // "tpm.tcti"
  RawValue value;
  uint32_t line = 0;    // of the key's last part, from 1
  uint32_t column = 0;  // likewise
};

inline constexpr size_t kTomlMaxBytes = 1 << 20;

// Entries in the order of the document. Fails with kInvalidArgument and "line:column: what"; the
// position is absent when the document is too large.
Result<std::vector<TomlEntry>> ParseToml(std::string_view text);

}  // namespace lodekey::platform
