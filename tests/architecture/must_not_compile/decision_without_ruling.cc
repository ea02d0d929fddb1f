// A decision past the policy.
#include "issuer/grant.h"

namespace lodekey::issuer {

bool Allows(const attest::Verdict& verdict, [[maybe_unused]] const Ruling& ruling) {
#ifdef TWIN_THAT_COMPILES
  const Decision decision = Decision::After(verdict, ruling);
#else
  const Decision decision = Decision::After(verdict);
#endif
  return decision.allowed();
}

}  // namespace lodekey::issuer
