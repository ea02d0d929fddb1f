// libsodium, ready for use: what every file that calls it asks for first. Private to crypto.
#pragma once

#include <sodium.h>

namespace lodekey::crypto {

// Initialises libsodium once, however many threads ask. The process ends when it cannot: without a
// generator of random numbers nothing here may continue.
void RequireSodium();

}  // namespace lodekey::crypto
