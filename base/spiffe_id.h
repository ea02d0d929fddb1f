// A SPIFFE ID: spiffe://<trust domain>/<path> (SPIFFE-ID, sections 2.1 to 2.4).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace lodekey {

struct SpiffeId {
  std::string trust_domain;
  std::string path = {};  // empty, or "/segment" once or more

  std::string ToString() const { return "spiffe://" + trust_domain + path; }
  bool operator==(const SpiffeId&) const = default;
};

// 1 to 255 lower-case letters, digits, '.', '-' and '_' (section 2.1). kInvalidArgument.
Result<void> CheckTrustDomain(std::string_view text);

// Empty, or segments of letters, digits, '.', '-' and '_', each behind a '/', none of them empty,
// "." or ".." (section 2.2). kInvalidArgument.
Result<void> CheckSpiffePath(std::string_view path);

// At most 2,048 bytes (section 2.3), nothing but scheme, trust domain and path: no port, user,
// query, fragment or percent encoding. kInvalidArgument ("spiffe-id-invalid").
Result<SpiffeId> ParseSpiffeId(std::string_view text);

}  // namespace lodekey
