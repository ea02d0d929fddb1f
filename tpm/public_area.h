// TPMT_PUBLIC: what a TPM says of a key, and the Name that follows from it (TPM 2.0 part 1, 16;
// part 2, 12.2). Pure: nothing here talks to a chip.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/public_key.h"

namespace lodekey::tpm {

// nameAlg (2 bytes, big-endian) and digest: 34, 50 or 66 bytes.
using Name = Bytes;

// Immutable; safe to share between threads.
class PublicArea {
 public:
  static constexpr size_t kMaxSize = 1024;

  // A TPM2B_PUBLIC that fills `tpm2b` to the last byte, in the only encoding the structure has.
  // Names of failures: "public-malformed" (does not parse, over kMaxSize, bytes left), "key-type"
  // (neither RSA nor ECC on P-256, P-384 or P-521), "name-algorithm" (see ComputeName), all
  // kInvalidArgument; and "key-invalid", kUntrusted: a key that cannot be one (a point off the
  // curve, an even or small exponent, a modulus of another size than the area says).
  static Result<PublicArea> Parse(ByteView tpm2b);
  static Result<PublicArea> FromTpmt(const TPMT_PUBLIC& area);

  // The TPM2B_PUBLIC, at most kMaxSize bytes.
  const Bytes& tpm2b() const { return tpm2b_; }
  const Name& name() const { return name_; }
  const crypto::PublicKey& key() const { return key_; }
  TPMA_OBJECT attributes() const { return area_.objectAttributes; }
  TPMI_ALG_HASH name_alg() const { return area_.nameAlg; }
  const TPMT_PUBLIC& area() const { return area_; }

 private:
  PublicArea(const TPMT_PUBLIC& area, Bytes tpm2b, Name name, crypto::PublicKey key);

  TPMT_PUBLIC area_;
  Bytes tpm2b_;
  Name name_;
  crypto::PublicKey key_;
};

// The marshalled TPMT_PUBLIC, without a size in front.
Result<Bytes> MarshalPublic(const TPMT_PUBLIC& area);

// nameAlg ‖ H_nameAlg(marshalled TPMT_PUBLIC). Fails with kInvalidArgument, named "name-algorithm",
// for anything but SHA-256, SHA-384 and SHA-512: a Name is only as hard to forge as its digest.
Result<Name> ComputeName(const TPMT_PUBLIC& area);

// The Name of a hierarchy or PCR handle is the handle itself: 4 bytes (part 1, 16).
Name HandleName(TPM2_HANDLE handle);

// The qualified Name of a primary key: nameAlg ‖ H_nameAlg(hierarchy handle ‖ Name) (part 1, 26.5).
Result<Name> QualifiedNameOfPrimary(const PublicArea& key, TPM2_HANDLE hierarchy);

// crypto's HashAlg for a TPM_ALG_ID and back. kInvalidArgument for others.
Result<crypto::HashAlg> ToHashAlg(TPM2_ALG_ID alg);
TPM2_ALG_ID FromHashAlg(crypto::HashAlg alg);

}  // namespace lodekey::tpm
