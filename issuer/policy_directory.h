// A policy as it lies in a directory: *.rego, and data.json beside them.
#pragma once

#include <string>

#include "base/result.h"
#include "issuer/policy_bundle.h"

namespace lodekey::issuer {

// kNotFound ("policy-unreadable") for a directory or a file that cannot be read; "policy-invalid"
// as of CheckBundle. Without data.json the data is an empty object. Other files are not part of it.
Result<PolicyBundle> ReadPolicyDirectory(const std::string& path);

}  // namespace lodekey::issuer
