// The file of the keys of JWT-SVIDs. What is accepted must be written again and read back as the
// same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "issuer/jwt_key_set.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using lodekey::crypto::Secret;
  using lodekey::issuer::JwtKeySet;

  const auto keys = JwtKeySet::Decode(Secret::Copy({data, size}));
  if (!keys) return 0;
  const auto content = keys->Encode();
  if (!content) std::abort();
  const auto again = JwtKeySet::Decode(*content);
  if (!again || !(*again == *keys) || again->sequence() != keys->sequence()) std::abort();
  return 0;
}
