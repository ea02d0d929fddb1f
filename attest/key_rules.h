// What keys must be before a credential is made for them, and before a certificate: attributes that
// make the TPM vouch for what they sign (TPM 2.0 part 2, 8.3).
#pragma once

#include "attest/verdict.h"
#include "base/result.h"
#include "tpm/public_area.h"
#include "tpm/template.h"

namespace lodekey::attest {

// Parse and check in one step, for keys as a stranger presents them. kUntrusted or
// kInvalidArgument; Error::name is the code of the rule: "ak-attributes", "ak-scheme",
// "node-key-attributes", "node-key-scheme", "devid-key-attributes", "ek-template", "key-weak",
// "key-invalid", "name-algorithm", "public-malformed".
Result<tpm::PublicArea> ReadAttestationKey(ByteView tpm2b);
Result<tpm::PublicArea> ReadNodeKey(ByteView tpm2b);
// Of a DevID, which somebody else made: of any type, and not weak.
Result<tpm::PublicArea> ReadDevIdKey(ByteView tpm2b);

struct EndorsementKey {
  tpm::PublicArea area;
  const tpm::EkTemplate* made_from;  // never null
};
Result<EndorsementKey> ReadEndorsementKey(ByteView tpm2b);

}  // namespace lodekey::attest
