#include "agent/trust_bundle.h"

#include "crypto/certificate.h"

namespace lodekey::agent {
namespace {

constexpr int kMaxRoots = 64;
constexpr int kMaxJwtKeys = 8;

std::unexpected<Error> Invalid(std::string why) {
  return Fail(Code::kUntrusted, "the issuer's bundle cannot be used: " + why,
              {.name = "bundle-invalid", .advice = "On the issuer: lodekey bundle show"});
}

}  // namespace

Result<TrustBundle> ReadTrustBundle(const lodekey::node::v1::Bundle& bundle,
                                    const std::string& trust_domain) {
  if (bundle.roots().empty() || bundle.roots_size() > kMaxRoots)
    return Invalid("it has no root, or too many");
  if (bundle.jwt_keys_size() > kMaxJwtKeys) return Invalid("it has too many keys");
  TrustBundle read;
  read.trust_domain = trust_domain;
  read.sequence = bundle.sequence();
  for (const std::string& der : bundle.roots()) {
    if (auto root = crypto::Certificate::FromDer(AsBytes(der)); !root)
      return Invalid(root.error().text);
    read.roots += der;
  }
  for (const auto& key : bundle.jwt_keys()) {
    auto public_key = crypto::PublicKey::FromSpkiDer(AsBytes(key.public_key()));
    if (!public_key) return Invalid(public_key.error().text);
    read.jwt_keys.push_back({.id = key.id(), .key = *std::move(public_key)});
  }
  auto jwks = crypto::FormatJwks(read.jwt_keys, read.sequence);
  if (!jwks) return Invalid(jwks.error().text);
  read.jwks = *std::move(jwks);
  return read;
}

}  // namespace lodekey::agent
