// What `lodekeyd run` does.
#pragma once

#include "base/result.h"
#include "platform/agent_config.h"

namespace lodekey::agent {

// Config → Device → EnrolledNode → Evidence → Identity → served, until SIGTERM or SIGINT.
Result<void> Run(const platform::AgentConfig& config);

}  // namespace lodekey::agent
