// The life of a policy: checked, tried, applied, rolled back. What is applied is a new version in
// the store, with an audit record, and decides from then on.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "attest/policy_bundle.h"
#include "base/result.h"
#include "issuer/context.h"
#include "issuer/policy.h"
#include "issuer/policy_mark.h"
#include "issuer/policy_plan.h"

namespace lodekey::issuer {

struct CheckedPolicy {
  crypto::Sha256Digest digest{};
  bool allows_all = false;
  std::vector<PolicyTestResult> tests = {};
};

// What is to decide from now on.
struct PolicyApplication {
  // A new content, or the number of a version whose content is to decide again (0: as shipped).
  std::variant<attest::PolicyBundle, uint64_t> content;
  uint64_t base_version = 0;  // which version decided when the operator looked
  std::optional<attest::PolicySignature> signature = {};
  std::string note = {};
  bool lock_out = false;  // although it locks out (PlannedPolicy)
};

struct AppliedPolicy {
  bool changed = false;  // false: the content decides already
  PolicyRecord record;
};

// The record of what the program brings: version 0.
PolicyRecord ShippedRecord();

// Blocking; thread-safe.
class PolicyBook {
 public:
  explicit PolicyBook(Context& context)
      : context_(context), plan_(context), mark_(context.config.state_dir) {}

  // Of the present policy where `bundle` is absent. Errors of PolicyEngine::Load and LoadPolicy.
  Result<CheckedPolicy> Check(const std::optional<attest::PolicyBundle>& bundle,
                              bool run_tests) const;

  // The present one where `version` is absent. kNotFound ("policy-not-found").
  Result<PolicyRecord> Find(std::optional<uint64_t> version) const;

  // The newest first; the last is the shipped one.
  Result<std::vector<PolicyRecord>> List() const;

  // What a policy, the present one where `bundle` is absent, says about `input`.
  Result<Ruling> Evaluate(const std::optional<attest::PolicyBundle>& bundle, PolicyPoint point,
                          const std::string& input) const;

  // As PolicyPlan::Make.
  Result<PlannedPolicy> Plan(const std::optional<attest::PolicyBundle>& bundle, Time since) const;

  // In this order, and nothing is changed where one fails:
  // - kConflict "policy-changed": another version decides by now than base_version;
  // - kDenied "policy-unsigned", "policy-signature", "policy-signature-old": where the issuer asks
  //   for signatures (policy.signers);
  // - kInvalidArgument "policy-invalid", "policy-allows-all"; "policy-tests": one of its own tests
  //   fails;
  // - kConflict "policy-lock-out": PlannedPolicy::LocksOut, and lock_out is not given.
  Result<AppliedPolicy> Apply(const PolicyApplication& application, const std::string& actor);

 private:
  Result<std::shared_ptr<const LoadedPolicy>> Load(
      const std::optional<attest::PolicyBundle>& bundle) const;
  Result<PolicyRecord> RecordOf(const PolicyApplication& application,
                                const attest::PolicyBundle& bundle) const;
  Result<void> CheckFit(const LoadedPolicy& policy, const PolicyApplication& application) const;
  Result<void> CheckVersion(const std::vector<PolicyRecord>& earlier,
                            const PolicyRecord& record) const;
  bool IsStored(const PolicyRecord& record) const;
  Result<void> Commit(const PolicyRecord& record, const std::string& actor) const;
  void NoteVersion(const PolicyRecord& record) const;

  Context& context_;
  PolicyPlan plan_;
  PolicyMark mark_;
  std::mutex applying_;
};

}  // namespace lodekey::issuer
