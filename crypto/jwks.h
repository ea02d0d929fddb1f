// The keys that verify JWT-SVIDs, as a JWK Set (RFC 7517; SPIFFE Trust Domain and Bundle, 4).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/public_key.h"

namespace lodekey::crypto {

struct JwtKey {
  std::string id;  // "kid"; hexadecimal digits
  PublicKey key;   // P-256
};

// kInvalidArgument for an id that is no hexadecimal text, or a key that is not on P-256.
Result<std::string> FormatJwks(const std::vector<JwtKey>& keys, uint64_t sequence);

}  // namespace lodekey::crypto
