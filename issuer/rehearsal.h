// A change that may be rehearsed: the same work in a transaction that is taken back in the end, so
// that no check of the rehearsal can differ from that of the change.
#pragma once

#include <functional>

#include "base/result.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// Does `work`, which says whether what it did is to be kept, and returns that. Its own errors come
// without the store's words around them. Blocking.
Result<bool> CommitIfKept(Store& store, const std::function<Result<bool>(Transaction&)>& work);

}  // namespace lodekey::issuer
