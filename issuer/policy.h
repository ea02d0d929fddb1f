// The policy that decides now. C++ turns what is known into an input and acts on the output; what
// is allowed is the policy's alone to say.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "attest/appraisal.h"
#include "base/result.h"
#include "base/time.h"
#include "issuer/policy_bundle.h"
#include "issuer/policy_engine.h"
#include "issuer/ruling.h"

namespace lodekey::issuer {

// A bundle that was found fit to decide.
struct LoadedPolicy {
  uint64_t version = 0;  // 0: as shipped
  PolicyBundle bundle;
  std::unique_ptr<PolicyEngine> engine;
  attest::AppraisalPolicy appraisal;  // data.appraisal: what is quoted and how it is compared
  bool allows_all = false;            // somewhere, and says so by name
};

// Compiles the bundle, reads data.appraisal ("policy-invalid" with the key), and shows it inputs
// that nobody may be given anything for (issuer/policy_probes.h): a policy that allows one of them
// is refused ("policy-allows-all") unless data.lodekey.unsafe_allow_all names the point.
Result<std::shared_ptr<const LoadedPolicy>> LoadPolicy(uint64_t version, const PolicyBundle& bundle,
                                                       const PolicyEngineOptions& options);

// Thread-safe.
class Policy {
 public:
  explicit Policy(std::shared_ptr<const LoadedPolicy> loaded) : loaded_(std::move(loaded)) {}

  std::shared_ptr<const LoadedPolicy> Current() const;
  void Replace(std::shared_ptr<const LoadedPolicy> loaded);

  // Always a ruling: where the policy fails (an error, no time, another form) the ruling denies
  // with "policy-error" or another name of PolicyEngine::Evaluate and ReadPolicyOutput, and its
  // reasons are message_only: a broken policy gives nothing to anybody, and withdraws nothing
  // either. `inputs` are JSON documents (issuer/policy_input.h), and share the time
  // of one call of the engine.
  std::vector<Ruling> Decide(PolicyPoint point, std::vector<std::string> inputs, Time now) const;
  Ruling Decide(PolicyPoint point, std::string input, Time now) const;
  // By one that Current() gave: what its data appraised, its rules decide. Of use while no other is
  // applied (Transaction::PutDecision).
  static Ruling Decide(const LoadedPolicy& policy, PolicyPoint point, std::string input, Time now);

  // The same with another policy than the present one: for plans. Not for issuing.
  static std::vector<Ruling> Rehearse(const LoadedPolicy& policy, PolicyPoint point,
                                      std::vector<std::string> inputs, Time now);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const LoadedPolicy> loaded_;
};

}  // namespace lodekey::issuer
