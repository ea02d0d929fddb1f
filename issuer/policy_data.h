// What the issuer itself takes from a policy's data.json: how evidence is quoted and compared, and
// where the policy says by name that it allows everything. All else in it is for the rules.
#pragma once

#include <string_view>
#include <vector>

#include "attest/appraisal.h"
#include "base/result.h"
#include "issuer/ruling.h"

namespace lodekey::issuer {

struct PolicyData {
  attest::AppraisalPolicy appraisal = {};
  // lodekey.unsafe_allow_all: true is all points, or their names.
  std::vector<PolicyPoint> unsafe_allow_all = {};
};

// kInvalidArgument ("policy-invalid") with the key: one of `appraisal` or `lodekey` that is not
// known, of another type or beyond what it may be. What is not there is as shipped.
Result<PolicyData> ReadPolicyData(std::string_view json);

}  // namespace lodekey::issuer
