// Process-wide rules for every TLS context that is made afterwards, also by libraries that do not
// offer them. Call at the start of main, before threads.
#pragma once

#include "base/result.h"

namespace lodekey::crypto {

// TLS 1.3 only, and no session tickets: each connection proves its key anew, and one that is
// revoked cannot be resumed.
Result<void> RequireFullTls13Handshakes();

// Validity periods are not looked at while a client verifies a server's chain. For hosts without a
// clock: the caller judges the period itself, by a time it can trust, before it sends anything
// (BuildChain).
Result<void> LeaveServerValidityToCaller();

}  // namespace lodekey::crypto
