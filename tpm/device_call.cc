#include "tpm/device_call.h"

#include <algorithm>
#include <thread>

#include "tpm/rc.h"

namespace lodekey::tpm {
namespace {

void Sleep(const RetryPolicy& policy, std::chrono::milliseconds pause) {
  if (policy.sleep) return policy.sleep(pause);
  std::this_thread::sleep_for(pause);
}

}  // namespace

TSS2_RC RunUntilSettled(const std::function<TSS2_RC()>& call, const RetryPolicy& policy) {
  std::chrono::milliseconds pause = policy.first;
  std::chrono::milliseconds left = policy.total;
  TSS2_RC rc = call();
  while (IsTransient(rc) && left.count() > 0) {
    pause = std::min(pause, left);
    Sleep(policy, pause);
    left -= pause;
    pause *= 2;
    rc = call();
  }
  return rc;
}

Result<void> RunCommand(const std::function<TSS2_RC()>& call, const RetryPolicy& policy,
                        std::source_location where) {
  const TSS2_RC rc = RunUntilSettled(call, policy);
  if (rc != TSS2_RC_SUCCESS) return FailTss(rc, where);
  return {};
}

}  // namespace lodekey::tpm
