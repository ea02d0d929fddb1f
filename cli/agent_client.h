// The agent on this host, over its own socket.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "lodekey/agent/v1/agent_service.pb.h"

namespace lodekey::cli {

// Not thread-safe. Every call may fail with what the agent says, and with kUnavailable
// ("agent-unreachable") or kTimeout ("agent-timeout").
class AgentClient {
 public:
  virtual ~AgentClient() = default;
  virtual Result<agent::v1::Status> ShowStatus() = 0;
  virtual Result<agent::v1::EnrollResponse> Enroll(Duration limit) = 0;
  virtual Result<agent::v1::EnrollResponse> Unenroll() = 0;
  virtual Result<agent::v1::AttestNowResponse> Attest() = 0;
  virtual Result<agent::v1::ShowBundleResponse> ShowBundle() = 0;
  virtual Result<agent::v1::Workload> InspectWorkload(int pid) = 0;
};

std::unique_ptr<AgentClient> ConnectAgent(const std::string& socket);

}  // namespace lodekey::cli
