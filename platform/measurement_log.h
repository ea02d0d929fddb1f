// The measurement logs that the kernel offers in securityfs. Bytes only: attest/ parses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::platform {

inline constexpr size_t kBootLogLimit = 1 << 20;  // bytes

// The firmware's event log, or nullopt where this host has none. Fails with kHardware
// "file-permission" (the agent needs CAP_DAC_READ_SEARCH or root) and "file-too-large" above 1 MiB.
Result<std::optional<Bytes>> ReadBootLog(const std::string& path);

// At most `max_bytes` of the IMA list from byte `offset`, or nullopt where this kernel has none.
// The list only grows within a boot: fewer bytes than asked for is its end at this moment, and an
// offset at or past the end gives none. The last entry may be cut by `max_bytes`.
Result<std::optional<Bytes>> ReadImaLog(const std::string& path, uint64_t offset, size_t max_bytes);

}  // namespace lodekey::platform
