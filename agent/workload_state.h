// What workloads hold, as bytes that outlive the agent within a boot
// (lodekey.agent.v1.WorkloadState).
#pragma once

#include <string>

#include "agent/svid_book.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace lodekey::agent {

// Whose it is: what another boot, node or trust domain held is not restored.
struct WorkloadOwner {
  std::string trust_domain;
  std::string node_id;
  std::string node_key_name;  // of the key that lives as long as the boot
  bool operator==(const WorkloadOwner&) const = default;
};

Result<crypto::Secret> EncodeWorkloads(const WorkloadOwner& owner, const SvidBook::Kept& kept);

// Everything in it is checked as if the issuer had just sent it. kUntrusted ("workload-state-
// invalid"); kConflict ("workload-state-other": of another version or owner).
Result<SvidBook::Kept> DecodeWorkloads(const WorkloadOwner& owner, ByteView encoded);

}  // namespace lodekey::agent
