// Whose policies an issuer takes (policy.signers).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "attest/policy_bundle.h"
#include "base/result.h"
#include "issuer/policy_mark.h"
#include "issuer/store.h"

namespace lodekey::issuer {

using PolicySigners = std::vector<crypto::Ed25519PublicKey>;  // empty: no signature is asked for

// "ed25519:" and 64 hexadecimal digits. kInvalidArgument ("policy-signer").
Result<crypto::Ed25519PublicKey> ParsePolicySigner(std::string_view text);
std::string FormatPolicySigner(const crypto::Ed25519PublicKey& key);

// kDenied: "policy-unsigned", or "policy-signature" when it is nobody's of `signers` or of other
// content. One that nobody asked for is looked at all the same: it is kept and shown.
Result<void> CheckPolicySignature(const attest::PolicyBundle& bundle,
                                  const std::optional<attest::PolicySignature>& signature,
                                  const PolicySigners& signers);

// The same of the policy that the store says decides (absent: the shipped one), so that a hand in
// the database brings in none. kUntrusted ("policy-rolled-back") of one that is not the newest
// signed one that was taken.
Result<void> CheckStoredPolicy(const std::optional<PolicyRecord>& record,
                               const PolicySigners& signers, const PolicyMark::Taken& newest);

}  // namespace lodekey::issuer
