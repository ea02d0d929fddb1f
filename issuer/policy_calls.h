// The calls of the admin API that are about policies: from message to book and back.
#pragma once

#include <string>

#include "base/result.h"
#include "issuer/context.h"
#include "issuer/policy_book.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::issuer {

// Blocking; thread-safe.
class PolicyCalls {
 public:
  explicit PolicyCalls(Context& context) : context_(context), book_(context) {}

  Result<void> Check(const lodekey::admin::v1::CheckPolicyRequest& request,
                     lodekey::admin::v1::CheckPolicyResponse& response) const;
  Result<void> Show(const lodekey::admin::v1::ShowPolicyRequest& request,
                    lodekey::admin::v1::ShowPolicyResponse& response) const;
  Result<void> Evaluate(const lodekey::admin::v1::EvaluatePolicyRequest& request,
                        lodekey::admin::v1::EvaluatePolicyResponse& response) const;
  Result<void> Plan(const lodekey::admin::v1::PlanPolicyRequest& request,
                    lodekey::admin::v1::PlanPolicyResponse& response) const;
  Result<void> Apply(const lodekey::admin::v1::ApplyPolicyRequest& request,
                     const std::string& actor, lodekey::admin::v1::ApplyPolicyResponse& response);
  Result<void> List(lodekey::admin::v1::ListPoliciesResponse& response) const;

 private:
  Context& context_;
  PolicyBook book_;
};

}  // namespace lodekey::issuer
