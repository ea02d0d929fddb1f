// Rego, evaluated in processes of its own. A policy may loop, recurse without end or ask for all
// memory, and an evaluator that runs out of stack or memory takes its process with it: so the
// evaluator (regorus) runs in workers, which the kernel bounds and which have neither files nor
// keys nor network. A worker that does not answer in time or dies is replaced; what was asked of it
// is an error, and an error denies.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "issuer/policy_bundle.h"

namespace lodekey::issuer {

struct PolicyEngineOptions {
  // What is executed as a worker; its only argument is "policy-worker".
  std::string program = "/proc/self/exe";
  size_t workers = 2;
  Duration evaluation_time = std::chrono::milliseconds(100);  // of one input
  uint64_t memory = uint64_t{128} << 20;  // bytes of a worker, over what it starts with
};

struct PolicyTestResult {
  std::string name;  // "data.lodekey.issuance_test.test_other_user"
  bool passed = false;
  std::string message = {};  // why not
};

// One bundle, compiled in its workers. Thread-safe; calls wait for a free worker.
class PolicyEngine {
 public:
  virtual ~PolicyEngine() = default;

  // Starts the workers and compiles the bundle in them. kInvalidArgument ("policy-invalid") with
  // file, line and column of what does not parse or compile, or for what depends on anything but
  // its input (rand.intn, time.now_ns, http.send …); kUnavailable ("policy-engine") when no worker
  // can be started.
  static Result<std::unique_ptr<PolicyEngine>> Load(const PolicyBundle& bundle,
                                                    PolicyEngineOptions options = {});

  // The value of `rule` ("data.lodekey.issuance.decision") for each input, a JSON document, as
  // JSON, in their order. kDenied ("policy-error") of an input: undefined, an error in the policy
  // (with file and line), "policy-time" beyond its time, "policy-memory" when the worker died of
  // it.
  virtual std::vector<Result<std::string>> Evaluate(std::string_view rule,
                                                    const std::vector<std::string>& inputs) = 0;

  // Runs every rule whose name begins with "test_" in the files that end in "_test.rego". A rule
  // that is not true, or fails, has not passed.
  virtual Result<std::vector<PolicyTestResult>> Test() = 0;
};

// The life of a worker: reads from descriptor 3 until it is closed. Returns the exit code.
int RunPolicyWorker();

}  // namespace lodekey::issuer
