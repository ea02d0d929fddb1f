// JWT-SVIDs, verified on the host (SPIFFE JWT-SVID, section 6).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/struct.pb.h>

#include "base/result.h"
#include "base/spiffe_id.h"
#include "base/time.h"
#include "crypto/jwks.h"

namespace lodekey::agent {

struct JwtSvid {
  SpiffeId id;
  google::protobuf::Struct claims;
};

// `audience` must be one of the token's, the key one of `keys`, the algorithm ES256, the subject of
// `trust_domain`, and `now` before its end. kInvalidArgument ("jws-malformed", "jwt-malformed"),
// kUntrusted ("jwt-algorithm", "jwt-key-unknown", "signature-invalid", "jwt-expired",
// "jwt-not-yet-valid", "jwt-audience", "jwt-subject").
Result<JwtSvid> CheckJwtSvid(std::string_view token, std::string_view audience,
                             std::string_view trust_domain, const std::vector<crypto::JwtKey>& keys,
                             Time now);

}  // namespace lodekey::agent
