// Certificates whose serial number has needless leading zeros. X.690, section 8.3.2, forbids them
// and OpenSSL reads none, but chips are in the field whose endorsement certificates have them, and
// cannot be given others. Private to crypto.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/certificate.h"

namespace lodekey::crypto {

// The certificate `der` with its serial number as it should be written; nothing when there is
// nothing to mend, or when `der` does not begin as a certificate does. The signature does not fit
// the result.
std::optional<Bytes> WithMinimalSerial(ByteView der);

// Whether the signature fits the bytes of `certificate` as they were written.
bool VerifiesAsWritten(const Certificate& certificate, const PublicKey& issuer_key);

}  // namespace lodekey::crypto
