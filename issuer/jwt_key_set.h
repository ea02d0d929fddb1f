// The keys that sign JWT-SVIDs, and when each does. At any time one signs and another one, which
// signs next, is published, so that verifiers have it long before they meet a token of it; one that
// signed stays published until the last of its tokens has ended. Pure: the time is given.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/private_key.h"
#include "crypto/secret.h"

namespace lodekey::issuer {

struct JwtSigningKey {
  std::string id;  // "kid": the first 16 bytes of the SHA-256 of its SubjectPublicKeyInfo, hex
  std::shared_ptr<const crypto::PrivateKey> key;  // P-256
  Time signs_from = {};                           // Time(): not yet
  Time retired = {};                              // Time(): not yet

  // Header of its tokens with the dot behind it, as it stands in them (JWT-SVID, section 2).
  std::string TokenPrefix() const;
};

// Immutable.
class JwtKeySet {
 public:
  // How long a retired key stays: as long as a token lives, and a while for clocks that are behind.
  static constexpr Duration kRetention = attest::kMaxJwtTtl + std::chrono::minutes(10);
  static constexpr size_t kMaxKeys = 8;

  // Two new keys; the first signs from `now`.
  static Result<JwtKeySet> Make(Time now);

  // As it has to be at `now`, when a key signs for `life`: the same, or with what was due done.
  // What a clock that ran ahead put off begins now.
  Result<JwtKeySet> At(Time now, Duration life) const;

  // A lodekey.store.v1.JwtKeyFile, and back: kUntrusted ("authority-corrupt") when it is none;
  // kConflict ("authority-newer") when a later version wrote it.
  Result<crypto::Secret> Encode() const;
  static Result<JwtKeySet> Decode(const crypto::Secret& content);

  // Of the trust bundle that has these keys. Higher with each change of them: one more, or the
  // seconds since 1970 where that is more, so that it does not fall when the file was lost or an
  // older one was restored.
  uint64_t sequence() const { return sequence_; }
  // The retired ones, oldest first, the one that signs, the next one.
  const std::vector<JwtSigningKey>& keys() const { return keys_; }
  const JwtSigningKey& signer() const { return keys_[keys_.size() - 2]; }
  const JwtSigningKey* Find(std::string_view id) const;  // null: none

  // Whether keys and times are the same.
  bool operator==(const JwtKeySet& other) const;

 private:
  JwtKeySet() = default;
  Result<void> Rotate(Time now);
  void CountChange(Time now);

  uint64_t sequence_ = 0;
  std::vector<JwtSigningKey> keys_;
};

}  // namespace lodekey::issuer
