// Places for hosts that wait for approval. Each of them proved a TPM, and whoever makes TPMs in
// software has many: so the networks that they come from share the places.
#pragma once

#include "issuer/store.h"

namespace lodekey::issuer {

inline constexpr uint64_t kMaxPendingNodes = 10000;

// Makes a place for `newcomer`, which is not stored yet. Where all are taken, the network that has
// most of them gives one up to one that has fewer: that of the host not seen for longest, with an
// audit line ("node.displaced"). One with a DevID takes the place of one without, and never the
// other way round. kUnavailable ("too-many-pending") when nobody has to make room for it.
Result<void> MakeRoom(Transaction& transaction, const NodeRecord& newcomer, Time now,
                      uint64_t places = kMaxPendingNodes);

}  // namespace lodekey::issuer
