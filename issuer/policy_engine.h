// Rego, evaluated in processes of its own. A policy may loop, recurse without end or ask for all
// memory, and an evaluator that runs out of stack or memory takes its process with it: so the
// evaluator (regorus) runs in workers, which the kernel bounds and which have neither files nor
// keys nor network. A worker that does not answer in time or dies is replaced; what was asked of it
// is an error, and an error denies.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "issuer/policy_bundle.h"

namespace lodekey::issuer {

struct PolicyEngineOptions {
  // What is executed as a worker; its only argument is "policy-worker".
  std::string program = "/proc/self/exe";
  // As many as compute at once, and the one that WorkerShare::kAllButOne leaves.
  size_t workers = 1 + std::clamp<size_t>(std::thread::hardware_concurrency(), 2, 8);
  // Of one input, on the processor: a machine that does other things, too, denies nobody.
  Duration evaluation_time = std::chrono::milliseconds(100);
  // Of all inputs of a call together, by the clock, and how long the call may wait for workers
  // besides.
  Duration call_time = std::chrono::seconds(1);
  Duration busy_time = std::chrono::seconds(2);
  uint64_t memory = uint64_t{128} << 20;  // bytes of a worker, over what it starts with
};

// What is denied for want of a free worker.
inline constexpr std::string_view kPolicyBusy = "policy-busy";

// Of the workers, how many a kind of question may have at once.
enum class WorkerShare {
  kAll,
  kAllButOne,  // but of a single one that one
};

struct PolicyTestResult {
  std::string name;  // "data.lodekey.issuance_test.test_other_user"
  bool passed = false;
  std::string message = {};  // why not
};

// One bundle, compiled in its workers. Thread-safe; a call waits for a free worker, for each of its
// inputs anew, so that one with many keeps no other waiting for all of them.
class PolicyEngine {
 public:
  virtual ~PolicyEngine() = default;

  // Starts the workers and compiles the bundle in them. kInvalidArgument ("policy-invalid") with
  // file, line and column of what does not parse or compile, or for what depends on anything but
  // its input (rand.intn, time.now_ns, http.send …), or a file of tests that defines a rule of a
  // package that is asked; kUnavailable ("policy-engine") when no worker
  // can be started.
  static Result<std::unique_ptr<PolicyEngine>> Load(const PolicyBundle& bundle,
                                                    PolicyEngineOptions options = {});

  // The value of `rule` ("data.lodekey.issuance.decision") for each input, a JSON document, as
  // JSON, in their order. kDenied ("policy-error") of an input: undefined, an error in the policy
  // (with file and line), "policy-time" beyond its time or that of the call, "policy-memory" when
  // the worker died of it. kUnavailable ("policy-busy") when no worker got free in time.
  virtual std::vector<Result<std::string>> Evaluate(std::string_view rule,
                                                    const std::vector<std::string>& inputs,
                                                    WorkerShare share = WorkerShare::kAll) = 0;

  // Runs every rule whose name begins with "test_" in the files that end in "_test.rego". A rule
  // that is not true, or fails, has not passed.
  virtual Result<std::vector<PolicyTestResult>> Test() = 0;
};

// The life of a worker: reads from descriptor 3 until it is closed. Returns the exit code.
int RunPolicyWorker();

}  // namespace lodekey::issuer
