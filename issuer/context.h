// What the issuer's services share. Everything in it is thread-safe or immutable, and outlives
// them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attest/devid.h"
#include "attest/endorsement.h"
#include "base/time.h"
#include "issuer/authority.h"
#include "issuer/challenge.h"
#include "issuer/config.h"
#include "issuer/policy.h"
#include "issuer/policy_input.h"
#include "issuer/store.h"

namespace lodekey::issuer {

struct Context {
  const IssuerConfig& config;
  Store& store;
  Authority& authority;
  const ChallengeSealer& sealer;
  Policy& policy;
  attest::VendorRoots roots;
  std::function<Time()> now;
  // Who hears of changes once they are durable, on any thread; set before anything is served. Of
  // entries, the ids of those that changed; of a node, its labels or its standing.
  std::function<void(const std::vector<std::string>&)> entries_changed = [](const auto&) {};
  std::function<void(const std::string&)> node_changed = [](const auto&) {};
  attest::DevIdProfile devid = {};         // which DevIDs are the operator's
  PolicyEngineOptions policy_engine = {};  // how a policy is tried and applied
};

// A service's answer: called once, on any thread.
template <class T>
using Reply = std::function<void(Result<T>)>;

// What surrounds a call of `source`, an address.
PolicyScene SceneOf(const Context& context, const std::string& source, Time now);

// The values approved for `group` in the bank that policy judges.
Result<attest::References> LoadReferences(Store& store, const std::string& group,
                                          crypto::HashAlg bank);

}  // namespace lodekey::issuer
