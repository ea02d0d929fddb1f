// TPMT_SIGNATURE (TPM 2.0 part 2, 11.3.4), and the DER form that other software gives ECDSA
// signatures.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "tpm/public_area.h"

namespace lodekey::tpm {

// Checks a TPMT_SIGNATURE over `attested` against the key's own scheme (an attestation key names
// exactly one). Names of failures, in the order they are looked for:
//   "key-weak"             RSA below 2048 bits, an exponent other than 65537, a ROCA modulus
//   "signature-malformed"  truncated, bytes left, another scheme's shape, r or s longer than the
//   field "signature-algorithm"  the key names no scheme, or another one than the signature
//   "signature-hash"       SHA-1, unknown, or not the key's hash
//   "signature-invalid"    does not verify; r or s of zero or not below the group order
// "signature-malformed" is kInvalidArgument, the others are kUntrusted. Thread-safe.
Result<void> VerifyAttestationSignature(const PublicArea& key, ByteView attested,
                                        ByteView tpmt_signature);

// A TPMT_SIGNATURE of `scheme` (TPM2_ALG_ECDSA, RSASSA or RSAPSS) made from a DER ECDSA signature
// or an RSA signature; for tests. kInvalidArgument for other schemes.
Result<Bytes> MarshalSignature(TPM2_ALG_ID scheme, crypto::HashAlg hash, ByteView signature);

// ECDSA-Sig-Value (RFC 3279, 2.2.3) of two big-endian numbers of at most 128 bytes each, with or
// without leading zeros.
Bytes EcdsaSignatureToDer(ByteView r, ByteView s);

}  // namespace lodekey::tpm
