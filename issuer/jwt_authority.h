// The part of the authority that signs JWT-SVIDs (ES256): keys in one file that is replaced as a
// whole, rotated in process.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/jwks.h"
#include "issuer/authority_files.h"
#include "issuer/grant.h"
#include "issuer/jwt_key_set.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// What verifiers need; one and the same state.
struct PublishedJwtKeys {
  uint64_t sequence = 0;  // of the bundle
  std::vector<crypto::JwtKey> keys;
};

// Thread-safe.
class JwtAuthority {
 public:
  static constexpr std::string_view kFile = "jwt";

  // Reads the keys; makes them where there are none yet, as after an update from a version that had
  // none. `key_life` is how long one signs. Errors as of JwtKeySet::Decode. `store` outlives it.
  static Result<std::unique_ptr<JwtAuthority>> Open(AuthorityFiles files, Duration key_life,
                                                    Store& store, Time now);

  // Lets the next key sign when it is due, and ends the publication of what was retired long
  // enough ago. The line "jwt-key.issued" is durable before a key is stored or published. Not from
  // the store's writer.
  Result<void> Refresh(Time now);

  PublishedJwtKeys Published() const;
  uint64_t bundle_sequence() const { return keys()->sequence(); }

  // What every token that is granted now begins with: the header of the key that signs.
  std::string TokenPrefix() const { return keys()->signer().TokenPrefix(); }

  // The whole token, signed by the key that its header names. kInvalidArgument when the grant is
  // not for a JWT-SVID; kUnavailable ("authority-expired") when the key is published no more.
  Result<std::string> Sign(const RecordedGrant& grant) const;

 private:
  JwtAuthority(AuthorityFiles files, Duration key_life, Store& store)
      : files_(std::move(files)), key_life_(key_life), store_(store) {}
  std::shared_ptr<const JwtKeySet> keys() const;
  // Records what is new in `changed`, stores it, then uses it.
  Result<void> Adopt(JwtKeySet changed, Time now);

  AuthorityFiles files_;
  Duration key_life_;
  Store& store_;
  std::mutex refresh_mutex_;  // one change at a time writes the file
  mutable std::mutex mutex_;
  std::shared_ptr<const JwtKeySet> keys_;  // guarded by mutex_
};

}  // namespace lodekey::issuer
