// What signing and verifying have in common. Private to crypto.
#pragma once

#include <string_view>

#include "base/handle.h"
#include "base/result.h"
#include "crypto/public_key.h"

namespace lodekey::crypto {

using KeyContext = CHandle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

bool SchemeFits(KeyType type, SignatureScheme scheme);

enum class KeyUse { kSign, kVerify, kEncrypt, kDecrypt };

// A context on `key` that signs or verifies digests of `hash` under `scheme`.
Result<KeyContext> SignatureContext(EVP_PKEY* key, KeyUse use, SignatureScheme scheme,
                                    HashAlg hash);

// A context on the RSA `key` for RSAES-OAEP with `hash` for OAEP and MGF1.
Result<KeyContext> OaepContext(EVP_PKEY* key, KeyUse use, HashAlg hash, std::string_view label);

}  // namespace lodekey::crypto
