// A Rego policy, evaluated in this process for as long as it takes. What asks for more memory or
// stack than there is ends it: for the workers alone (issuer/policy_worker.cc).
#pragma once

#include <memory>
#include <string_view>

#include "base/handle.h"
#include "base/result.h"
#include "issuer/policy_wire.h"
#include "issuer/regorus/lodekey_rego.h"

namespace lodekey::issuer {

// For one thread at a time.
class Rego {
 public:
  // Parses the files and checks whatever needs no input. Once, and before Evaluate: kValue with the
  // names of the test rules, one a line, or kError with file, line and column.
  PolicyAnswer Load(const PolicyBundle& bundle, PolicyFiles files);

  // The value of `rule` for `input`, a JSON document; an empty one leaves `input` undefined.
  PolicyAnswer Evaluate(std::string_view rule, std::string_view input) const;

 private:
  CHandle<lodekey_rego, lodekey_rego_free> policy_;
};

}  // namespace lodekey::issuer
