// What operators do with nodes: allow, remove, approve. Each change is one transaction with its
// audit record.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "issuer/audit_record.h"
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

  // As issuer/node_name.h has it.
  Result<NodeRecord> Find(const std::string& name) const;

  // Puts an endorsement key into the inventory, or sets labels of its node (an empty value takes
  // one away, those not named stay); brings a node back to "allowed" that was removed,
  // quarantined or barred, or that waits for approval.
  Result<ChangedNode> Allow(const std::string& ek_hash,
                            const std::map<std::string, std::string>& labels,
                            const std::string& actor) const;

  // Withdraws the node's identity and revokes every EK recorded for it.
  Result<ChangedNode> Remove(const std::string& name, const std::string& actor) const;

  // The registers of the node's last judged evidence whose values its group can share: all but 10
  // (IMA) and the ledger's, whose values are this host's alone.
  tpm::PcrMask SharedPcrs(const NodeRecord& record) const;

  // Accepts `seen` for the node's group: values of the node's last judged evidence as the operator
  // saw them. With `replace` other values for these registers are forgotten. kConflict
  // ("evidence-changed") when the last evidence proved others by now; kInvalidArgument
  // ("values-missing") when `seen` is empty, ("pcr-of-ledger") when it has the ledger's register.
  Result<ApprovedPcrs> ApprovePcrs(const std::string& name, const tpm::PcrBank& seen, bool replace,
                                   const std::string& actor) const;

  // Lets the attestation key that was refused take its place at the next enrolment; `seen` is its
  // name as the operator saw it. kConflict ("ak-changed") when another one waits by now; kNotFound
  // ("no-pending-ak") when none does.
  Result<ChangedNode> ApproveAk(const std::string& name, ByteView seen,
                                const std::string& actor) const;

 private:
  using Actions = std::vector<OperatorAction>;
  // Finds the record, changes it, and says what is to be recorded of that; nothing: it stays.
  using Edit = std::function<Result<Actions>(Transaction&, NodeRecord&, Time now)>;

  // Reads and writes in one transaction: nothing that the node does comes between.
  Result<ChangedNode> Commit(const Edit& edit) const;
  Context& context_;
};

}  // namespace lodekey::issuer
