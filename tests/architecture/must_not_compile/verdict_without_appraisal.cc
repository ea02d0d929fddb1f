// A verdict that no appraisal made: a node that nobody verified.
#include "attest/verdict.h"

namespace lodekey {

bool Accepts([[maybe_unused]] const attest::Verdict& judged) {
#ifdef TWIN_THAT_COMPILES
  const attest::Verdict verdict = judged;
#else
  const attest::Verdict verdict;
#endif
  return verdict.decidable();
}

}  // namespace lodekey
