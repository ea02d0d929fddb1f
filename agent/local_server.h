// The agent's local API on its own unix socket, for the lodekey command.
#pragma once

#include <memory>
#include <string>

#include "agent/agent.h"
#include "agent/workload_inspection.h"
#include "base/result.h"

namespace lodekey::agent {

class LocalServer {
 public:
  // Serves until destroyed; agent and inspection outlive it. `group` may use the socket besides
  // root and the agent's own user.
  static Result<std::unique_ptr<LocalServer>> Start(Agent& agent,
                                                    const WorkloadInspection& inspection,
                                                    const std::string& socket,
                                                    const std::string& group);
  virtual ~LocalServer() = default;
};

}  // namespace lodekey::agent
