// The entries of this node, as the issuer last sent them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/trust_bundle.h"
#include "attest/entry.h"
#include "base/result.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

using EntryPtr = std::shared_ptr<const attest::Entry>;

struct EntrySet {
  std::vector<EntryPtr> entries;  // by id: the oldest first
  std::vector<lodekey::node::v1::UnusableEntry> unusable;
  std::shared_ptr<const TrustBundle> bundle;
};

// An entry that this version of the agent does not understand (a selector of a later one, say)
// joins those that cannot be used, and costs no other. kUntrusted ("bundle-invalid",
// "entry-set-invalid") when the whole means nothing.
Result<EntrySet> ReadEntrySet(const lodekey::node::v1::EntrySet& message,
                              const std::string& trust_domain);

}  // namespace lodekey::agent
