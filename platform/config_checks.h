// Rules for options that more than one program has; each is an OptionCheck.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::platform {

inline constexpr uint16_t kIssuerPort = 7443;

// Host and optional port; see host_port.h.
Result<void> CheckIssuerAddress(std::string_view text);

// "sha256:" and 64 hexadecimal digits: the SHA-256 of a DER SubjectPublicKeyInfo. 32 bytes.
Result<Bytes> ParsePin(std::string_view text);
Result<void> CheckPin(std::string_view text);

}  // namespace lodekey::platform
