// What would change if another policy decided: the decisions of the last hours again, from their
// recorded inputs.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "issuer/context.h"
#include "issuer/policy.h"
#include "lodekey/policy/v1/policy.pb.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxPlannedDecisions = 200'000;  // the newest of the time that is asked for
inline constexpr size_t kMaxPlannedChanges = 1000;       // kinds of changes that are listed

// Decisions that were alike and would be so again: the same point, node, entry and outcomes.
struct PlannedChange {
  std::string point;
  NodeId node;
  std::string entry;
  lodekey::policy::v1::Decision before;  // the last of them
  lodekey::policy::v1::Decision after;
  uint64_t count = 0;
};

struct PlannedPolicy {
  uint64_t base_version = 0;
  uint64_t decisions = 0;
  uint64_t same = 0;
  std::vector<PlannedChange> changes = {};  // the most frequent first
  uint64_t nodes_active = 0;
  uint64_t nodes_judged = 0;   // of these: with a recorded standing
  uint64_t nodes_cut_off = 0;  // of these: whose last evidence would be refused
  bool truncated = false;      // there is more than the limits let through
  // There are active nodes, and not one of which it is known that it would stay: each that can be
  // judged is cut off, or none can be.
  bool LocksOut() const { return nodes_active > 0 && nodes_cut_off == nodes_judged; }
};

// Blocking; thread-safe.
class PolicyPlan {
 public:
  explicit PolicyPlan(const Context& context) : context_(context) {}

  // Decides again, with `policy`, what was decided since `since`.
  Result<PlannedPolicy> Make(const LoadedPolicy& policy, Time since) const;

  // The part about nodes alone: the last standing of each active node.
  Result<void> CountCutOff(const LoadedPolicy& policy, PlannedPolicy& planned) const;

 private:
  const Context& context_;
};

}  // namespace lodekey::issuer
