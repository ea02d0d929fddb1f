// A JWT-SVID whose audit line is not durable yet.
#include "issuer/jwt_authority.h"

namespace lodekey::issuer {

Result<std::string> Issue(const JwtAuthority& authority, [[maybe_unused]] const Grant& grant,
                          [[maybe_unused]] const RecordedGrant& recorded) {
#ifdef TWIN_THAT_COMPILES
  return authority.Sign(recorded);
#else
  return authority.Sign(grant);
#endif
}

}  // namespace lodekey::issuer
