// A Result that nobody looks at is a failure that nobody hears of.
#include "base/result.h"

namespace lodekey {

Result<void> Save();

void Shutdown() {
#ifdef TWIN_THAT_COMPILES
  (void)Save().has_value();
#else
  Save();
#endif
}

}  // namespace lodekey
