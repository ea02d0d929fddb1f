// Enrolment: a host proves by its TPM which node it is (docs/protocol.md, Enrolment). Two calls, no
// server-side session.
#pragma once

#include "issuer/context.h"
#include "issuer/rate_limit.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// Thread-safe.
class Enroller {
 public:
  explicit Enroller(Context& context);

  // Bounds, inventory, keys, certificate, credential: in that order, cheapest first. Stores
  // nothing. Error::name is the code of what was refused; "too-many-enrolments" when known nodes,
  // this one or all together, or the refusals of strangers are beyond their limit: neither uses up
  // what belongs to the other.
  Result<lodekey::node::v1::StartEnrolmentResponse> Start(
      const lodekey::node::v1::StartEnrolmentRequest& request) const;

  // Answers with a verdict once the host has proved to hold the TPM, and with an Error before.
  void Finish(const lodekey::node::v1::FinishEnrolmentRequest& request,
              Reply<lodekey::node::v1::FinishEnrolmentResponse> reply) const;

 private:
  // The node that an endorsement key belongs to, charged to the limit of nodes.
  Result<NodeRecord> Admit(const std::string& ek_hash) const;
  // `reason`, charged to the limit of strangers.
  std::unexpected<Error> RefuseStranger(Error reason) const;

  Context& context_;
  mutable RateLimit nodes_;
  mutable RateLimit strangers_;  // one source: all of them
};

}  // namespace lodekey::issuer
