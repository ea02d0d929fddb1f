// The SPIFFE Workload API as a workload sees it: whoever runs the command is the workload.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "attest/token_purpose.h"
#include "base/result.h"
#include "base/time.h"
#include "spiffe/workload.pb.h"

namespace lodekey::cli {

// Not thread-safe. Every call may fail with what the agent says, and with kUnavailable
// ("agent-unreachable") or kTimeout ("agent-timeout").
class WorkloadClient {
 public:
  virtual ~WorkloadClient() = default;
  virtual Result<X509SVIDResponse> FetchX509Svid(Duration limit) = 0;
  // Calls `each` with every update until it returns false; fails when the agent ends the stream.
  virtual Result<void> WatchX509Svid(std::function<bool(const X509SVIDResponse&)> each) = 0;
  // `purpose` has been checked (attest::Canonical).
  virtual Result<JWTSVIDResponse> FetchJwtSvid(const attest::TokenPurpose& purpose,
                                               const std::string& spiffe_id, Duration limit) = 0;
};

std::unique_ptr<WorkloadClient> ConnectWorkloadApi(const std::string& socket);

}  // namespace lodekey::cli
