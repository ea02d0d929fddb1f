// A certificate for a verdict, past policy and record.
#include "issuer/authority.h"

namespace lodekey::issuer {

Result<std::vector<crypto::Certificate>> Issue(const Authority& authority,
                                               [[maybe_unused]] const attest::Verdict& verdict,
                                               [[maybe_unused]] const RecordedGrant& recorded) {
#ifdef TWIN_THAT_COMPILES
  return authority.Sign(recorded);
#else
  return authority.Sign(verdict);
#endif
}

}  // namespace lodekey::issuer
