// Many hosts into the inventory at once, from a list that an operator keeps elsewhere.
#pragma once

#include <string>
#include <vector>

#include "issuer/context.h"
#include "issuer/node_admission.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxImportRows = 10'000;

struct InventoryRow {
  std::string ek_hash;
  NodeLabels labels;  // an empty value takes the label away; those that are not named stay
};

struct ImportedNode {
  NodeId id;
  bool created = false;
  bool changed = false;  // created, admitted, or other labels than before
};

struct RefusedRow {
  size_t index = 0;
  Error error;
};

struct ImportedNodes {
  std::vector<ImportedNode> imported = {};  // in the order of the rows; empty when any is refused
  std::vector<RefusedRow> refused = {};     // every row that cannot be taken; then none is
};

// All rows in one transaction, with an audit record for each node that changes; with `dry_run` the
// answer is the same and nothing is changed. A host that waits for approval is let in. Reasons for
// a refusal: "ek-hash-invalid"; "row-duplicate" (a row before it is of the same node, if only by
// another of its endorsement keys); "node-removed", "node-barred", "node-quarantined": no list
// brings these back, `lodekey node allow` does; "node-state-invalid" (labels beyond the limits of
// issuer/node_limits.h). kInvalidArgument ("too-many-rows") beyond kMaxImportRows. Blocking.
Result<ImportedNodes> ImportNodes(const Context& context, const std::vector<InventoryRow>& rows,
                                  bool dry_run, const std::string& actor);

}  // namespace lodekey::issuer
