// Hosts that proved their TPM and wait for an operator: letting them in, or not.
#pragma once

#include <string>
#include <vector>

#include "issuer/context.h"
#include "issuer/node_admission.h"

namespace lodekey::issuer {

struct ApprovalRequest {
  std::vector<std::string> nodes = {};  // as in issuer/node_name.h; empty: all that wait and match
  // What each must have shown, or have as a label, whole: {"assurance": "hardware"}.
  NodeLabels match = {};
  bool deny = false;
  NodeLabels labels = {};  // for those let in
  bool dry_run = false;
};

struct ApprovedNodes {
  std::vector<NodeRecord> nodes = {};  // each that was named or matches, as it is now
  std::vector<NodeId> changed = {};
};

// All or nothing, with an audit record for each: "node.approved" lets a host enrol when it asks the
// next time, "node.denied" bars it until `lodekey node allow`. One that was let in, or barred,
// already stays as it is. kConflict ("node-not-pending") for another that was named. Blocking.
Result<ApprovedNodes> AdmitNodes(const Context& context, const ApprovalRequest& request,
                                 const std::string& actor);

}  // namespace lodekey::issuer
