// State that a server hands to strangers and wants back unread and unchanged: XChaCha20-Poly1305
// (libsodium) with a random 24-byte nonce in front of the ciphertext.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace lodekey::crypto {

inline constexpr size_t kSealKeySize = 32;
inline constexpr size_t kSealOverhead = 24 + 16;

// nonce ‖ ciphertext ‖ tag. `associated` is authenticated and not stored. The key has kSealKeySize
// bytes.
Result<Bytes> Seal(const Secret& key, ByteView associated, ByteView plaintext);
// kUntrusted when the box is too short, was changed, or was sealed under another key or purpose.
Result<Secret> Unseal(const Secret& key, ByteView associated, ByteView box);

}  // namespace lodekey::crypto
