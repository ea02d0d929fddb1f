// Which node an operator means.
#pragma once

#include <string>

#include "base/result.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// Whether this is a whole id, or a SPIFFE ID with one.
bool IsWholeName(const std::string& trust_domain, const std::string& name);

// By id or another of its EK hashes, SPIFFE id, or a prefix of at least eight digits that only one
// node has. kNotFound ("node-not-found"), kConflict ("node-ambiguous").
Result<NodeRecord> FindNodeByName(View& view, const std::string& trust_domain,
                                  const std::string& name);

}  // namespace lodekey::issuer
