// Credentials for workloads: a batch of requests, each decided on its own (docs/protocol.md,
// Issuance).
#pragma once

#include "issuer/context.h"
#include "issuer/peer_node.h"
#include "issuer/rate_limit.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

inline constexpr std::string_view kTooManyIssuances = "too-many-issuances";

// Thread-safe.
class Issuance {
 public:
  // Calls a second of one node, and items: with as many as a call may have, a host gets a thousand
  // workloads back within a second of its restart. Each item is decided and leaves a line in the
  // audit log, so no host goes on like that. All nodes together as for attestations.
  static constexpr uint32_t kCallsPerNode = 20;
  static constexpr uint32_t kItemsAtOnce = 1280;
  static constexpr uint32_t kItemsPerNode = 256;

  explicit Issuance(Context& context)
      : context_(context),
        calls_(20000, kCallsPerNode),
        items_(RateLimit::kNoTotal, kItemsPerNode, kItemsAtOnce) {}

  // Charges a call to the node. Error::name: "too-many-issuances".
  Result<void> Charge(const PeerNode& peer) const;

  // An outcome for each item, in their order: a credential, a refusal (codes of ReadIssueItem,
  // WorkloadDecision::After and the policy, "authority-expired"), or the evidence that is needed
  // first. The call as a whole fails for a node without an identity (CheckIdentity; "node-changed"
  // when that changed meanwhile, "policy-changed" when another policy decides by now), for more
  // than kMaxIssueItems or no item ("issue-malformed") and for more items than the node may ask for
  // ("too-many-issuances"). `source` is the address that asks. Order: decide, commit and audit all
  // that was decided at once, sign, reply.
  void Issue(PeerNode peer, const lodekey::node::v1::IssueRequest& request,
             const std::string& source, Reply<lodekey::node::v1::IssueResponse> reply) const;

 private:
  Context& context_;
  mutable RateLimit calls_;
  mutable RateLimit items_;
};

}  // namespace lodekey::issuer
