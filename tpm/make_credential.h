// TPM2_MakeCredential in software (part 1, 24; annexes B.10.3 and C.6.1): the issuer needs no chip.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/private_key.h"
#include "crypto/secret.h"
#include "tpm/public_area.h"

namespace lodekey::tpm {

struct Credential {
  Bytes id_object = {};         // marshalled TPM2B_ID_OBJECT
  Bytes encrypted_secret = {};  // marshalled TPM2B_ENCRYPTED_SECRET
};

// Wraps `secret` (1 byte up to the size of the EK's name digest) so that only the TPM that holds
// `ek` and a key with exactly `key_name` releases it. `ek` must be a restricted decryption key with
// AES-CFB: MatchEkTemplate first; kInvalidArgument, named "ek-unusable", when it is none.
// Thread-safe.
Result<Credential> MakeCredential(const PublicArea& ek, const Name& key_name,
                                  const crypto::Secret& secret);

// TPM2_ActivateCredential with a software EK; for tests of MakeCredential and of hostile hosts.
// `ek_private` belongs to `ek`. kUntrusted, named "credential-integrity", when the credential was
// made for another key or another EK, or was changed.
Result<crypto::Secret> ActivateInSoftware(const PublicArea& ek,
                                          const crypto::PrivateKey& ek_private,
                                          const Name& key_name, const Credential& credential);

// KDFa (part 1, 11.4.10.2) and KDFe (11.4.10.3). `bits` is a multiple of 8; labels without NUL (it
// is appended).
crypto::Secret Kdfa(crypto::HashAlg alg, ByteView key, std::string_view label, ByteView context_u,
                    ByteView context_v, uint32_t bits);
crypto::Secret Kdfe(crypto::HashAlg alg, ByteView z, std::string_view label, ByteView party_u,
                    ByteView party_v, uint32_t bits);

}  // namespace lodekey::tpm
