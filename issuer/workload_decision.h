// Whether a process on a node gets a credential. Deny by default: a WorkloadDecision exists only
// where every rule was kept, and is made from what is stored and what was reported alone. Pure: the
// time is given.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "attest/entry.h"
#include "base/result.h"
#include "base/spiffe_id.h"
#include "base/time.h"
#include "issuer/node_record.h"
#include "issuer/workload_request.h"

namespace lodekey::issuer {

class WorkloadDecision {
 public:
  // What must at least be left of a node's identity for a workload's to rest on it: enough for a
  // client to connect and for the agent to renew it at half its life. Where nodes live shorter than
  // 40 s, a quarter of their life: they would have to attest for each credential otherwise.
  static constexpr Duration LeastLife(Duration node_ttl) {
    return std::min<Duration>(std::chrono::seconds(10), node_ttl / 4);
  }

  // `stored` is the entry that `request` names, as the store has it; `node_ttl` how long evidence
  // supports an identity. In this order:
  // - kDenied "node-refused", "node-removed", "node-quarantined", "node-not-enrolled";
  // - kNotFound "entry-unknown": never there, or deleted; kDenied "entry-not-for-node";
  // - kConflict "entry-changed": another revision than the node knows; kDenied "entry-expired";
  // - "label-missing", "entry-spiffe-id": as of attest::ExpandSpiffeId;
  // - kDenied "selector-grade": reported with another grade than observed, which is what an agent
  //   does; "not-prefetched": without selectors, though the entry does not say so;
  //   "selectors-missing"; "audience-not-allowed".
  static Result<WorkloadDecision> After(const NodeRecord& node,
                                        const std::optional<attest::Entry>& stored,
                                        const WorkloadRequest& request, Duration node_ttl,
                                        Time now);

  // Everything else holds, and too little is left of the node's evidence.
  bool needs_evidence() const { return limit_ - decided_ < least_; }

  const NodeId& node() const { return node_; }
  const attest::Entry& entry() const { return entry_; }
  const SpiffeId& id() const { return id_; }
  const std::variant<crypto::PublicKey, Audiences>& subject() const { return subject_; }
  Time evidence_time() const { return evidence_time_; }
  // No credential may be good for longer: end of the node's certificate, of its evidence, and of
  // the entry.
  Time not_after() const;
  Time decided() const { return decided_; }

 private:
  explicit WorkloadDecision(const std::variant<crypto::PublicKey, Audiences>& subject)
      : subject_(subject) {}

  NodeId node_;
  attest::Entry entry_;
  SpiffeId id_;
  std::variant<crypto::PublicKey, Audiences> subject_;
  Time evidence_time_;
  Time limit_;  // end of the node's certificate and of its evidence
  Duration least_ = {};
  Time decided_;
};

}  // namespace lodekey::issuer
