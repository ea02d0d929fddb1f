// What `lodekey-issuer` does, verb by verb.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "issuer/config.h"
#include "issuer/policy_bundle.h"

namespace lodekey::issuer {

// Serves until SIGTERM or SIGINT.
Result<void> Run(const IssuerConfig& config);

// Makes the state directory with its authorities and an empty database. kConflict
// ("already-initialised").
struct Initialised {
  std::string pin;        // for agents' issuer_pins
  std::string audit_key;  // public, hex: for `lodekey audit verify`
};
// `policy` is the first that is applied; none: the shipped one decides.
Result<Initialised> Init(const IssuerConfig& config, const std::optional<PolicyBundle>& policy);

// Opens everything as Run would, and closes it again.
Result<void> Check(const IssuerConfig& config);

}  // namespace lodekey::issuer
