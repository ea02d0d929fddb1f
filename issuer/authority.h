// The certificate authorities of an issuer: the SVID root with its short-lived intermediate, and
// apart from it the issuer authority, whose public key agents pin and which signs only the issuer's
// own server certificate.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "crypto/ed25519.h"
#include "crypto/private_key.h"
#include "crypto/secret.h"
#include "issuer/grant.h"
#include "issuer/jwt_authority.h"

namespace lodekey::issuer {

struct AuthorityOptions {
  std::string directory;  // of keys and certificates, 0700
  std::string trust_domain;
  Duration node_ttl = {};
  Duration intermediate_ttl = {};
  Duration root_ttl = {};
  Duration jwt_key_ttl = {};  // how long a key signs JWT-SVIDs
};

struct ServerIdentity {
  std::string key_pem;    // secret: given to the TLS library, nowhere else
  std::string chain_pem;  // server certificate, then the authority's
  Time not_after;
};

// An intermediate that may sign: certificate and key.
struct Signer {
  crypto::Certificate certificate;
  crypto::PrivateKey key;
};

// Thread-safe.
class Authority {
 public:
  // Makes root, issuer authority, audit key and challenge key in an empty directory. kConflict
  // ("already-initialised") when there is a root already: nothing is overwritten.
  static Result<void> Initialise(const AuthorityOptions& options, Time now);
  // Takes back what Initialise made, whole or in part, before any of it was shown to anybody.
  static void Abandon(const AuthorityOptions& options);

  // Reads what Initialise made. kNotFound ("not-initialised"); kUntrusted ("authority-corrupt")
  // when key and certificate do not belong together. `store`, which outlives it, records what it
  // signs for the issuer itself.
  static Result<std::unique_ptr<Authority>> Open(AuthorityOptions options, Store& store, Time now);

  // What the store's audit log is signed with; it is needed before there is a store. kNotFound
  // ("not-initialised").
  static Result<crypto::Ed25519Key> OpenAuditKey(const AuthorityOptions& options);

  // Renews the intermediate at half its life, and when that has not begun because the clock was
  // ahead as it was made, and the keys of JWT-SVIDs; call now and then, not from the store's
  // writer. A failure of one does not keep the other from being renewed.
  // The line "intermediate.issued" is durable before the new one is signed. Without the root's key
  // on this host it fails (kNotFound, "root-key-absent") once the intermediate is due, which goes
  // on signing until it ends.
  Result<void> Refresh(Time now);

  // Signs exactly what was recorded, with the intermediate it names. Returns the chain, leaf first,
  // without the root. kInvalidArgument when the grant is for a JWT-SVID: jwt() signs those.
  Result<std::vector<crypto::Certificate>> Sign(const RecordedGrant& grant) const;

  // A server certificate for a fresh key, good for `life`. The line "server-certificate.issued" is
  // durable before it is signed. Not from the store's writer.
  Result<ServerIdentity> MakeServerIdentity(Time now, Duration life) const;

  // The newest intermediate that is valid now; the newest of all when none is.
  std::shared_ptr<const Signer> signer(Time now) const;
  const crypto::Certificate& root() const { return root_; }
  const crypto::Certificate& issuer_authority() const { return authority_; }
  std::string Pin() const;  // "sha256:<hex>" of the issuer authority's key
  Result<bool> HasRootKey() const;
  const JwtAuthority& jwt() const { return *jwt_; }
  const AuthorityOptions& options() const { return options_; }

  Result<crypto::Secret> OpenChallengeKey() const;

 private:
  Authority(AuthorityOptions options, Store& store, crypto::Certificate root,
            crypto::Certificate authority);
  Result<void> LoadOrMakeIntermediate(Time now);
  Result<void> RefreshIntermediate(Time now);
  Result<std::shared_ptr<const Signer>> MakeIntermediate(Time now) const;
  // Records, then signs: nothing that the audit log does not have is ever signed.
  struct Certified;
  Result<crypto::Certificate> SignRecorded(const Certified& certified, Time now) const;

  AuthorityOptions options_;
  Store& store_;
  crypto::Certificate root_;
  crypto::Certificate authority_;
  std::unique_ptr<JwtAuthority> jwt_;
  std::mutex refresh_mutex_;  // one renewal at a time writes the files
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Signer>>
      signers_;  // newest last; earlier ones until they expire
};

}  // namespace lodekey::issuer
