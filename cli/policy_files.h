// A policy in a directory: *.rego, data.json, and policy.sig where somebody signed it.
#pragma once

#include <optional>
#include <string>

#include "attest/policy_bundle.h"
#include "base/result.h"

namespace lodekey::cli {

struct PolicyFiles {
  attest::PolicyBundle bundle;
  std::optional<attest::PolicySignature> signature = {};
};

// Other files of the directory are passed over; directories in it, too. kNotFound
// ("policy-not-found") without any *.rego; kInvalidArgument ("policy-invalid") beyond the limits of
// attest/policy_bundle.h.
Result<PolicyFiles> ReadPolicyFiles(const std::string& directory);

// Makes the directory where it is absent. kConflict ("policy-directory") when it has a *.rego,
// data.json or policy.sig already: nothing of anybody's is overwritten.
Result<void> WritePolicyFiles(const std::string& directory, const PolicyFiles& files);

// Writes policy.sig into the directory, in the place of one that is there.
Result<void> WritePolicySignature(const std::string& directory,
                                  const attest::PolicySignature& signature);

}  // namespace lodekey::cli
