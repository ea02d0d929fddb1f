// What the issuer must remember between StartEnrolment and FinishEnrolment, handed to the host as
// sealed_state: no server-side session exists (docs/protocol.md, Sealed state).
#pragma once

#include <optional>
#include <string>

#include "attest/devid.h"
#include "attest/endorsement.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/secret.h"

namespace lodekey::issuer {

struct Challenge {
  Bytes id;   // 16 bytes, accepted once
  Time made;  // the time of the evidence that answers it
  Time expires;
  Bytes nonce;                       // 32 bytes
  crypto::Secret activation_secret;  // 32 bytes
  std::string node_id;
  uint64_t node_revision = 0;  // of the node's record when it was admitted
  attest::Assurance assurance = attest::Assurance::kInventory;
  std::string assurance_reason = {};  // why it is no higher
  std::string manufacturer = {};      // of the TPM; empty: nobody vouches for any
  Bytes ek_public;                    // TPM2B_PUBLIC
  Bytes ak_public;
  Bytes node_key_public;
  std::optional<attest::DevIdClaim> devid = {};  // shown, and not proved yet
};

// Thread-safe.
class ChallengeSealer {
 public:
  // `key` (32 bytes) is the same on every replica of the issuer.
  ChallengeSealer(crypto::Secret key, std::string trust_domain);

  Result<Bytes> Seal(const Challenge& challenge) const;
  // kUntrusted ("challenge-invalid") when it is not ours, kTimeout ("challenge-expired") when it is
  // too old.
  Result<Challenge> Open(ByteView sealed, Time now) const;

 private:
  Bytes AssociatedData() const;

  crypto::Secret key_;
  std::string trust_domain_;
  Bytes key_id_;
};

}  // namespace lodekey::issuer
