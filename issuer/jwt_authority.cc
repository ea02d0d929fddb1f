#include "issuer/jwt_authority.h"

#include "crypto/jws.h"
#include "issuer/audit_record.h"

namespace lodekey::issuer {

Result<std::unique_ptr<JwtAuthority>> JwtAuthority::Open(AuthorityFiles files, Duration key_life,
                                                         Store& store, Time now) {
  std::unique_ptr<JwtAuthority> authority(new JwtAuthority(std::move(files), key_life, store));
  ASSIGN_OR_RETURN(const bool made_before, authority->files_.HasKey(kFile), "keys of JWT-SVIDs");
  if (!made_before) {
    ASSIGN_OR_RETURN(JwtKeySet made, JwtKeySet::Make(now), "keys of JWT-SVIDs");
    RETURN_IF_ERROR(authority->Adopt(std::move(made), now), "keys of JWT-SVIDs");
    return authority;
  }
  ASSIGN_OR_RETURN(const crypto::Secret content, authority->files_.ReadSecret(kFile),
                   "keys of JWT-SVIDs");
  ASSIGN_OR_RETURN(JwtKeySet keys, JwtKeySet::Decode(content), "open");
  authority->keys_ = std::make_shared<const JwtKeySet>(std::move(keys));
  RETURN_IF_ERROR(authority->Refresh(now), "open");
  return authority;
}

std::shared_ptr<const JwtKeySet> JwtAuthority::keys() const {
  const std::scoped_lock lock(mutex_);
  return keys_;
}

Result<void> JwtAuthority::Refresh(Time now) {
  const std::scoped_lock refreshing(refresh_mutex_);
  const auto before = keys();
  ASSIGN_OR_RETURN(JwtKeySet due, before->At(now, key_life_), "renew the keys of JWT-SVIDs");
  if (due == *before) return {};
  return Adopt(std::move(due), now);
}

Result<void> JwtAuthority::Adopt(JwtKeySet changed, Time now) {
  const auto before = keys();
  std::vector<std::string> records;
  for (const JwtSigningKey& key : changed.keys()) {
    if (before && before->Find(key.id) != nullptr) continue;
    records.push_back(JwtKeyAuditRecord(key.id, key.key->public_key(), now));
  }
  if (!records.empty()) {
    RETURN_IF_ERROR(store_.CommitAndWait([&](Transaction& transaction) -> Result<void> {
      for (const std::string& record : records) transaction.Audit(record);
      return {};
    }),
                    "record the keys of JWT-SVIDs");
  }
  ASSIGN_OR_RETURN(const crypto::Secret content, changed.Encode(), "keys of JWT-SVIDs");
  RETURN_IF_ERROR(files_.WriteSecret(kFile, content), "store the keys of JWT-SVIDs");
  const std::scoped_lock lock(mutex_);
  keys_ = std::make_shared<const JwtKeySet>(std::move(changed));
  return {};
}

PublishedJwtKeys JwtAuthority::Published() const {
  const auto keys = this->keys();
  PublishedJwtKeys published{.sequence = keys->sequence(), .keys = {}};
  for (const JwtSigningKey& key : keys->keys())
    published.keys.push_back({.id = key.id, .key = key.key->public_key()});
  return published;
}

Result<std::string> JwtAuthority::Sign(const RecordedGrant& grant) const {
  if (grant.kind() != CredentialKind::kJwt)
    return Fail(Code::kInvalidArgument, "what was granted is no JWT-SVID");
  const std::string_view input = AsText(grant.tbs());
  const auto keys = this->keys();
  // The bytes name their key, which may have been retired since they were recorded.
  for (const JwtSigningKey& key : keys->keys()) {
    if (input.starts_with(key.TokenPrefix())) return crypto::SignJws(*key.key, input);
  }
  return Fail(Code::kUnavailable, "the key that was to sign the token is published no more",
              {.name = "authority-expired", .advice = "The agent asks again by itself."});
}

}  // namespace lodekey::issuer
