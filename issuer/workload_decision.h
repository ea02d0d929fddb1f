// Whether a process on a node gets a credential. Deny by default: a WorkloadDecision exists only
// where the policy allows it and nothing speaks against it that is no matter of policy: there is
// such an entry, it is this node's, as the node knows it, and gives an identity. Pure: the time is
// given.
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
#include "issuer/ruling.h"
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

  // The identity that the policy is to be asked about. `stored` is the entry that `request` names,
  // as the store has it. In this order:
  // - kDenied "node-refused" and the other names of CheckIdentity;
  // - kNotFound "entry-unknown": never there, or deleted; kDenied "entry-not-for-node";
  // - kConflict "entry-changed": another revision than the node knows; kDenied "entry-expired";
  // - "label-missing", "entry-spiffe-id": as of attest::ExpandSpiffeId.
  static Result<SpiffeId> Identify(const NodeRecord& node,
                                   const std::optional<attest::Entry>& stored,
                                   const WorkloadRequest& request, Time now);

  // `ruling` (of kIssuance) is on this request; `node_ttl` how long evidence supports an identity.
  // Fails as Identify does, and kDenied with the policy's first reason.
  static Result<WorkloadDecision> After(const NodeRecord& node,
                                        const std::optional<attest::Entry>& stored,
                                        const WorkloadRequest& request, const Ruling& ruling,
                                        Duration node_ttl, Time now);

  // Everything else holds, and too little is left of the node's evidence, or the policy wants it
  // younger.
  bool needs_evidence() const;

  const NodeId& node() const { return node_; }
  const attest::Entry& entry() const { return entry_; }
  const SpiffeId& id() const { return id_; }
  const std::variant<crypto::PublicKey, Audiences>& subject() const { return subject_; }
  const std::vector<std::string>& scopes() const { return scopes_; }
  const std::string& task() const { return task_; }
  Time evidence_time() const { return evidence_time_; }
  // No credential may be good for longer: end of the node's certificate, of its evidence, of the
  // entry, and of what the policy gave.
  Time not_after() const;
  Time decided() const { return decided_; }
  const Ruling& ruling() const { return ruling_; }

 private:
  WorkloadDecision(const WorkloadRequest& request, const Ruling& ruling)
      : subject_(request.subject), scopes_(request.scopes), task_(request.task), ruling_(ruling) {}

  NodeId node_;
  attest::Entry entry_;
  SpiffeId id_;
  std::variant<crypto::PublicKey, Audiences> subject_;
  std::vector<std::string> scopes_;
  std::string task_;
  Ruling ruling_;
  Time evidence_time_;
  Time limit_;  // end of the node's certificate and of its evidence
  Duration least_ = {};
  Time decided_;
};

}  // namespace lodekey::issuer
