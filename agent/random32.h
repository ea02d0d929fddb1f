// Chance for schedules: uniform over 32 bits.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace lodekey::agent {

inline uint32_t Random32() {
  uint32_t number = 0;
  for (const uint8_t byte : crypto::RandomBytes(sizeof(number))) number = number << 8 | byte;
  return number;
}

}  // namespace lodekey::agent
