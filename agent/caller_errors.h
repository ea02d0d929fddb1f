// What a caller is told wherever it waits in the agent.
#pragma once

#include "base/error.h"

namespace lodekey::agent {

inline Error Stopping() {
  return {.code = Code::kUnavailable,
          .text = "lodekeyd is stopping",
          .name = "agent-stopping",
          .advice = "Try again when it runs."};
}

// Nobody reads it.
inline Error CallerGone() { return {.code = Code::kUnavailable, .text = "the caller has gone"}; }

}  // namespace lodekey::agent
