// The policies that an issuer brings, takes and keeps.
#pragma once

#include <string>
#include <string_view>

#include "attest/policy_bundle.h"
#include "base/result.h"

namespace lodekey::issuer {

using attest::kMaxPolicyBytes;
using attest::kMaxPolicyFileName;
using attest::kMaxPolicyFiles;
using attest::kPolicyTestSuffix;
using attest::PolicyBundle;

// What every lodekey-issuer brings: issuer/policy/*.rego and data.json. It is the policy of an
// issuer where no other was applied.
const PolicyBundle& ShippedPolicy();

// kInvalidArgument ("policy-invalid") for no file, too many or too large ones, a name that is not
// [a-z0-9_-]+.rego, text that is not UTF-8 or has control characters, or data that is no JSON
// object, or one with a key twice. Whether it compiles is PolicyEngine::Load's to say.
Result<void> CheckBundle(const PolicyBundle& bundle);

// A serialised lodekey.policy.v1.Bundle, and back ("policy-invalid"). The same bundle gives the
// same bytes.
std::string EncodeBundle(const PolicyBundle& bundle);
Result<PolicyBundle> DecodeBundle(std::string_view bytes);

}  // namespace lodekey::issuer
