// A grant that says of itself that it was recorded.
#include "issuer/grant.h"

namespace lodekey::issuer {

Bytes BytesToSign([[maybe_unused]] const RecordedGrant& recalled) {
#ifdef TWIN_THAT_COMPILES
  const RecordedGrant recorded = recalled;
#else
  const RecordedGrant recorded = RecordedGrant();
#endif
  return recorded.tbs();
}

}  // namespace lodekey::issuer
