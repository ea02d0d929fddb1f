// Whom the agent takes for its issuer. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"

namespace lodekey::agent {

struct IssuerTrust {
  std::string trust_domain;
  std::vector<Bytes> pins;    // SHA-256 of the issuer authority's SubjectPublicKeyInfo
  std::function<Time()> now;  // called on any thread; TrustedClock::ServerTime
};

// Checks a server's chain (leaf first, as it was presented): it leads to a certificate whose key is
// pinned, every period holds now, and the leaf is no CA, serves TLS and has exactly the URI SAN
// spiffe://TD/lodekey/issuer; a DNS name counts for nothing. Returns the authority. kUntrusted
// ("issuer-untrusted").
Result<crypto::Certificate> CheckIssuer(const IssuerTrust& trust,
                                        const std::vector<crypto::Certificate>& presented);

}  // namespace lodekey::agent
