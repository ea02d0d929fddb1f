// Between policy bundles and messages.
#pragma once

#include "attest/policy_bundle.h"
#include "base/result.h"
#include "lodekey/policy/v1/policy.pb.h"

namespace lodekey::attest {

// The same bundle gives the same message.
lodekey::policy::v1::Bundle EncodePolicy(const PolicyBundle& bundle);

// Takes apart; whether it is fit to decide is for the issuer to say. kInvalidArgument
// ("policy-invalid"): two files of one name.
Result<PolicyBundle> DecodePolicy(const lodekey::policy::v1::Bundle& message);

}  // namespace lodekey::attest
