// A grant that somebody fills in.
#include "issuer/grant.h"

namespace lodekey::issuer {

Bytes BytesToSign(const Grant& granted) {
#ifdef TWIN_THAT_COMPILES
  const Grant grant = granted;
#else
  const Grant grant = Grant(granted.ruling());
#endif
  return grant.tbs();
}

}  // namespace lodekey::issuer
