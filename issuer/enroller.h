// Enrolment: a host proves by its TPM which node it is (docs/protocol.md, Enrolment). Two calls, no
// server-side session.
#pragma once

#include "issuer/context.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// Thread-safe.
class Enroller {
 public:
  explicit Enroller(Context& context) : context_(context) {}

  // Bounds, inventory, keys, certificate, credential: in that order, cheapest first. Stores
  // nothing. Error::name is the code of what was refused.
  Result<lodekey::node::v1::StartEnrolmentResponse> Start(
      const lodekey::node::v1::StartEnrolmentRequest& request) const;

  // Answers with a verdict once the host has proved to hold the TPM, and with an Error before.
  void Finish(const lodekey::node::v1::FinishEnrolmentRequest& request,
              Reply<lodekey::node::v1::FinishEnrolmentResponse> reply) const;

 private:
  Context& context_;
};

}  // namespace lodekey::issuer
