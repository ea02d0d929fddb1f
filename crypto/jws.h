// JSON Web Signatures in compact form under ES256 (RFC 7515, 3.1; RFC 7518, 3.4). What header and
// payload say is the caller's business: this knows bytes and signatures.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/private_key.h"
#include "crypto/public_key.h"

namespace lodekey::crypto {

inline constexpr size_t kMaxJwsSize = 16384;       // bytes of its text
inline constexpr size_t kEs256SignatureSize = 64;  // r and s

// Taken apart, not verified.
struct Jws {
  std::string header;         // JSON
  std::string payload;        // JSON
  std::string signing_input;  // what the signature is over
  Bytes signature;            // r and s, each 32 bytes
};

// "header.payload" in base64url: what is recorded before it is signed.
std::string JwsSigningInput(std::string_view header, std::string_view payload);

// The whole token. `key` must be P-256 (kInvalidArgument).
Result<std::string> SignJws(const PrivateKey& key, std::string_view signing_input);

// kInvalidArgument ("jws-malformed"): too long, not three parts, or a part that is not base64url in
// its one right form.
Result<Jws> ParseJws(std::string_view text);

// Good under ES256 with `key`; whatever algorithm the header names, no other is tried. kUntrusted
// ("signature-invalid").
Result<void> VerifyJws(const PublicKey& key, const Jws& jws);

}  // namespace lodekey::crypto
