// What operators do with nodes: allow, remove, approve. Each change is one transaction with its
// audit record.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "issuer/context.h"
#include "issuer/node_record.h"

namespace lodekey::issuer {

struct ChangedNode {
  bool changed = false;
  NodeRecord record;
};

struct ApprovedPcrs {
  bool changed = false;
  NodeRecord record;
  std::vector<ReferencePcr> approved;  // what was asked for, new or not
};

// Blocking; thread-safe. `actor` goes into the audit record.
class Inventory {
 public:
  explicit Inventory(Context& context) : context_(context) {}

  // By id, SPIFFE id, or a prefix of at least eight digits that only one node has. kNotFound
  // ("node-not-found"), kConflict ("node-ambiguous").
  Result<NodeRecord> Find(const std::string& name) const;

  // Puts an endorsement key into the inventory, or gives its node new labels; brings a removed or
  // quarantined node back to "allowed".
  Result<ChangedNode> Allow(const std::string& ek_hash,
                            const std::map<std::string, std::string>& labels,
                            const std::string& actor) const;

  // Withdraws the node's identity and revokes every EK recorded for it.
  Result<ChangedNode> Remove(const std::string& name, const std::string& actor) const;

  // Accepts, for the node's group, the values that the node's last judged evidence proved. `mask`
  // 0: every quoted register except 10 (IMA) and the ledger's. With `replace` other values for
  // these registers are forgotten. kNotFound
  // ("pcr-not-shown").
  Result<ApprovedPcrs> ApprovePcrs(const std::string& name, tpm::PcrMask mask, bool replace,
                                   const std::string& actor) const;

  // Lets the attestation key that was refused take its place at the next enrolment.
  Result<ChangedNode> ApproveAk(const std::string& name, const std::string& actor) const;

 private:
  // Whether approving these values would leave the group's references as they are.
  Result<bool> AreSettled(const std::string& group, const std::vector<ReferencePcr>& approved,
                          bool replace) const;
  Result<void> Commit(const NodeRecord& record, const std::string& audit) const;
  Context& context_;
};

}  // namespace lodekey::issuer
