// A decision that follows from no verdict and no ruling.
#include "issuer/grant.h"

namespace lodekey::issuer {

bool Allows([[maybe_unused]] const attest::Verdict& verdict,
            [[maybe_unused]] const Ruling& ruling) {
#ifdef TWIN_THAT_COMPILES
  const Decision decision = Decision::After(verdict, ruling);
#else
  const Decision decision = Decision();
#endif
  return decision.allowed();
}

}  // namespace lodekey::issuer
