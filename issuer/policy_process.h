// One worker, as its parent sees it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "issuer/policy_bundle.h"
#include "issuer/policy_engine.h"
#include "issuer/policy_wire.h"
#include "platform/child_process.h"

namespace lodekey::issuer {

// For one thread at a time. Ends with its object.
class PolicyProcess {
 public:
  // Executes the worker and compiles the bundle in it; errors as of PolicyEngine::Load.
  static Result<PolicyProcess> Start(const PolicyBundle& bundle, PolicyFiles files,
                                     const PolicyEngineOptions& options);

  // The names of the rules in the bundle's test files, where those were loaded.
  const std::vector<std::string>& tests() const { return tests_; }

  // One evaluation; errors as of PolicyEngine::Evaluate. An empty `input` is none.
  Result<std::string> Evaluate(std::string_view rule, std::string_view input, Duration time);

  // False when it ended since, by itself or by an evaluation.
  bool IsAlive() const { return child_.IsConnected(); }

 private:
  explicit PolicyProcess(platform::ChildProcess child) : child_(std::move(child)) {}
  Result<void> Load(const PolicyLoad& load);
  // `number` is that of the question.
  Result<PolicyAnswer> Ask(ByteView frame, uint32_t number, Duration time);

  platform::ChildProcess child_;
  std::vector<std::string> tests_;
  uint32_t questions_ = 0;
};

}  // namespace lodekey::issuer
