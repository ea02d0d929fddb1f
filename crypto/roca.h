// The fingerprint of RSA moduli made by the flawed generator of CVE-2017-15361 ("ROCA"): many TPMs
// of 2012 to 2017 carry such endorsement keys, whose private part can be computed. Private to
// crypto.
#pragma once

#include "base/bytes.h"

namespace lodekey::crypto {

// Whether the big-endian `modulus` lies, modulo each of the small primes 3 to 167, in the subgroup
// that 65537 generates. An ordinary modulus does with a chance below 2^-100.
bool HasRocaFingerprint(ByteView modulus);

}  // namespace lodekey::crypto
