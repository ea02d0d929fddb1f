// What the issuer's services share. Everything in it is thread-safe or immutable, and outlives
// them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attest/endorsement.h"
#include "base/time.h"
#include "issuer/authority.h"
#include "issuer/challenge.h"
#include "issuer/config.h"
#include "issuer/store.h"

namespace lodekey::issuer {

struct Context {
  const IssuerConfig& config;
  Store& store;
  Authority& authority;
  const ChallengeSealer& sealer;
  attest::VendorRoots roots;
  std::function<Time()> now;
  // Who hears of changes once they are durable, on any thread; set before anything is served. Of
  // entries, the ids of those that changed; of a node, its labels or its standing.
  std::function<void(const std::vector<std::string>&)> entries_changed = [](const auto&) {};
  std::function<void(const std::string&)> node_changed = [](const auto&) {};
};

// A service's answer: called once, on any thread.
template <class T>
using Reply = std::function<void(Result<T>)>;

// The values approved for `group` in the bank that policy judges.
Result<attest::References> LoadReferences(Store& store, const std::string& group,
                                          crypto::HashAlg bank);

}  // namespace lodekey::issuer
