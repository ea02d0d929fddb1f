// Trust bundles in the forms that verifiers read. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/json.h"
#include "crypto/certificate.h"
#include "crypto/jwks.h"

namespace lodekey::cli {

struct TrustBundle {
  std::string trust_domain = {};
  uint64_t sequence = 0;
  std::vector<crypto::Certificate> roots = {};
  std::vector<crypto::JwtKey> jwt_keys = {};
};

// From the messages of agent and issuer, which have the same fields. kUntrusted
// ("bundle-malformed") when a root is not a certificate or a key of JWT-SVIDs no key, kNotFound
// ("bundle-absent") when there is no root.
template <class Response>
Result<TrustBundle> ReadBundle(const Response& response);

std::string BundlePem(const TrustBundle& bundle);

// The SPIFFE bundle format (SPIFFE Trust Domain and Bundle, 4): a JWK set with one x509-svid key
// for each root, and one jwt-svid key for each that verifies JWT-SVIDs.
Result<std::string> BundleSpiffe(const TrustBundle& bundle);

std::string BundleText(const TrustBundle& bundle);
Json BundleJson(const TrustBundle& bundle);

}  // namespace lodekey::cli
