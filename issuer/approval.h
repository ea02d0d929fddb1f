// Hosts that proved their TPM and wait for an operator: letting them in, or not.
#pragma once

#include <string>
#include <vector>

#include "issuer/context.h"
#include "issuer/node_admission.h"

namespace lodekey::issuer {

// Of what a host that waits showed and the labels that it would get: says which of its appearances
// an operator saw. SHA-256.
Bytes AppearanceOf(const NodeRecord& record);

// A host of a list that an operator saw.
struct SeenHost {
  NodeId id;
  Bytes appearance;
};

struct ApprovalRequest {
  // Whole ids, or SPIFFE IDs: whoever makes TPMs in software has ids with any beginning.
  std::vector<std::string> nodes = {};
  std::vector<SeenHost> seen = {};
  bool deny = false;
  NodeLabels labels = {};  // for those let in
  bool dry_run = false;
};

struct ApprovedNodes {
  std::vector<NodeRecord> nodes = {};  // each, as it is now
  std::vector<NodeId> changed = {};
  // Of those seen: what waits no longer or looks otherwise by now, which stays as it is.
  std::vector<NodeId> skipped = {};
};

// All that are named or nothing, with an audit record for each: "node.approved" lets a host enrol
// when it asks the next time, "node.denied" bars it until `lodekey node allow`. One that was let
// in, or barred, already stays as it is. kConflict ("node-not-pending") for another that was named,
// kInvalidArgument ("node-id-short") for a name that is not whole. Blocking.
Result<ApprovedNodes> AdmitNodes(const Context& context, const ApprovalRequest& request,
                                 const std::string& actor);

}  // namespace lodekey::issuer
