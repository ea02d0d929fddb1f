// Enrolment: a host proves by its TPM which node it is (docs/protocol.md, Enrolment). Two calls, no
// server-side session.
#pragma once

#include "issuer/context.h"
#include "issuer/rate_limit.h"
#include "issuer/strangers.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// Thread-safe.
class Enroller {
 public:
  // `strangers` outlives it.
  Enroller(Context& context, Strangers& strangers);

  // Bounds, inventory, keys, certificate, credential: in that order, cheapest first. Stores
  // nothing. Error::name is the code of what was refused; "too-many-enrolments" when known nodes,
  // this one or all together, or the refusals of strangers, of its source or all together, are
  // beyond their limit: neither uses up what belongs to the other.
  Result<lodekey::node::v1::StartEnrolmentResponse> Start(
      const lodekey::node::v1::StartEnrolmentRequest& request, const Caller& caller) const;

  // Answers with a verdict once the host has proved to hold the TPM, and with an Error before.
  void Finish(const lodekey::node::v1::FinishEnrolmentRequest& request, const Caller& caller,
              Reply<lodekey::node::v1::FinishEnrolmentResponse> reply) const;

 private:
  // Who asks, charged to the limits of nodes once it is known, and to those of strangers before.
  template <class Recognised>
  Result<Recognised> Charge(Result<Recognised> recognised, const Caller& caller) const;

  Context& context_;
  Strangers& strangers_;
  mutable RateLimit nodes_;
};

}  // namespace lodekey::issuer
