// How a node comes into the inventory by an operator's word, in whatever verb it is given.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "issuer/audit_record.h"
#include "issuer/store.h"

namespace lodekey::issuer {

using NodeLabels = std::map<std::string, std::string>;

// `given` over `labels`: an empty value takes one away, those that are not named stay.
NodeLabels MergeLabels(NodeLabels labels, const NodeLabels& given);

// "group=edge,site=fra1"
std::string JoinLabels(const NodeLabels& labels);

// As before its first enrolment: what an earlier boot established, or what it showed when nobody
// had let it in yet, binds nothing.
void Readmit(NodeRecord& record);

struct AllowedNode {
  bool changed = false;
  std::string before = {};  // how it stood; "new": it was not known
  NodeRecord record;        // as it is to be
};

// The node of this endorsement key as it is when it may enrol and has these labels; nothing is
// stored. kInvalidArgument ("ek-hash-invalid").
Result<AllowedNode> AllowIn(View& view, const std::string& ek_hash, const NodeLabels& labels,
                            Time now);

// What is recorded of it.
OperatorAction AllowAction(const NodeRecord& record, const std::string& before,
                           const std::string& actor);

}  // namespace lodekey::issuer
