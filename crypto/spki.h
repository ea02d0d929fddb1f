// SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) before it is a key. Private to crypto.
#pragma once

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/handle.h"
#include "base/result.h"
#include "crypto/curve.h"

namespace lodekey::crypto {

inline constexpr size_t kMaxSpkiSize = 4096;

// Decodes one DER SubjectPublicKeyInfo that fills `der`. An RSA key under id-RSASSA-PSS or
// id-RSAES-OAEP becomes a plain RSA key. kInvalidArgument for anything else that OpenSSL cannot
// read.
Result<CHandle<EVP_PKEY, EVP_PKEY_free>> DecodeSpki(ByteView der);

// The one form in which we write keys: rsaEncryption with NULL (RFC 3279, section 2.3.1),
// id-ecPublicKey with a named curve (RFC 5480, section 2.1.1) and the point as 04 ‖ x ‖ y. By hand,
// since OpenSSL's encoder takes three times as long as all else that is done to a key.
Bytes EncodeRsaSpki(ByteView modulus, uint32_t exponent);
Bytes EncodeEcSpki(const CurveInfo& curve, ByteView point);

// The point in `spki` when that is just what EncodeEcSpki writes of it; empty for anything else.
// Not checked to be on the curve.
ByteView FindEcPoint(const CurveInfo& curve, ByteView spki);

}  // namespace lodekey::crypto
