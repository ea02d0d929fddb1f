// What verifies the identities of the trust domain, as the issuer sent it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/jwks.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

struct TrustBundle {
  std::string trust_domain;
  uint64_t sequence = 0;  // higher with each change
  std::string roots;      // DER, concatenated: verify X.509-SVIDs
  std::vector<crypto::JwtKey> jwt_keys;
  std::string jwks;  // the same as a JWK Set

  std::string Id() const { return "spiffe://" + trust_domain; }
};

// kUntrusted ("bundle-invalid"): no root, more than 64 roots or 8 keys, or one that does not parse.
Result<TrustBundle> ReadTrustBundle(const lodekey::node::v1::Bundle& bundle,
                                    const std::string& trust_domain);

}  // namespace lodekey::agent
