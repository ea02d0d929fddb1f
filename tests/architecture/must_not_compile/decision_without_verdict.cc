// A decision that follows from no verdict.
#include "issuer/grant.h"

namespace lodekey::issuer {

bool Allows([[maybe_unused]] const attest::Verdict& verdict) {
#ifdef TWIN_THAT_COMPILES
  const Decision decision = Decision::After(verdict);
#else
  const Decision decision = Decision();
#endif
  return decision.allowed();
}

}  // namespace lodekey::issuer
