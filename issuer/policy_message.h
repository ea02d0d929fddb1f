// Between policies, rulings and their messages.
#pragma once

#include "attest/policy_bundle.h"
#include "base/result.h"
#include "issuer/ruling.h"
#include "issuer/store.h"
#include "lodekey/policy/v1/policy.pb.h"

namespace lodekey::issuer {

// What a person reads of a ruling: everything but the input itself.
lodekey::policy::v1::Decision DecisionOf(const Ruling& ruling, const NodeId& node,
                                         const std::string& entry);

lodekey::policy::v1::Version VersionOf(const PolicyRecord& record);

// kInvalidArgument ("policy-signature"): not a key and a signature of Ed25519.
Result<attest::PolicySignature> DecodePolicySignature(
    const lodekey::policy::v1::Signature& message);

}  // namespace lodekey::issuer
