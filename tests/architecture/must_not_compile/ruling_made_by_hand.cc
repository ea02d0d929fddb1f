// A ruling that no policy gave.
#include "issuer/ruling.h"

namespace lodekey::issuer {

bool Allows([[maybe_unused]] const Ruling& given) {
#ifdef TWIN_THAT_COMPILES
  const Ruling ruling = given;
#else
  const Ruling ruling = Ruling();
#endif
  return ruling.allowed();
}

}  // namespace lodekey::issuer
