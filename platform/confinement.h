// Gives up what a process that only computes does not need.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace lodekey::platform {

// For good, and for the one thread there is: from here on this process reads and writes what it has
// open, has memory, time and its end, and is killed (SIGSYS) for any other call of the kernel. It
// may have `memory` bytes more than now, its stack among them, leaves no core dump, cannot be
// traced by its user, and gains no privilege by execution. Under a sanitizer, which needs address
// space and system calls of its own, the memory and the calls stay unbounded.
Result<void> Confine(uint64_t memory);

}  // namespace lodekey::platform
