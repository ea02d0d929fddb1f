// One FinishEnrolment from opened challenge to reply.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/appraisal.h"
#include "issuer/challenge.h"
#include "issuer/context.h"
#include "issuer/grant.h"
#include "issuer/node_record.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

class Finishing {
 public:
  // `challenge` was opened for the caller, and `record` is that of its node.
  static Result<Finishing> Of(Context& context, Challenge challenge, NodeRecord record);

  // Fails when it could not judge; a verdict of whatever outcome is kept for Commit.
  Result<void> Judge(const lodekey::node::v1::FinishEnrolmentRequest& request, Time now);
  // Records all that follows from the verdict in one transaction, then signs and replies.
  void Commit(Reply<lodekey::node::v1::FinishEnrolmentResponse> reply) &&;

 private:
  Finishing(Context& context, Challenge challenge, NodeRecord record, attest::Subject subject)
      : context_(context),
        challenge_(std::move(challenge)),
        record_(std::move(record)),
        subject_(std::move(subject)),
        before_(record_.standing) {}

  // Why the standing is what it is; empty: all is well.
  std::string Reason() const;
  Result<void> Enrol(const attest::Evidence& evidence, Time now);
  void Remember(const attest::Evidence& evidence, Time now);

  Context& context_;
  Challenge challenge_;
  NodeRecord record_;
  attest::Subject subject_;
  std::optional<attest::EarlierEnrolment> earlier_;
  std::optional<attest::Verdict> verdict_;
  std::optional<Grant> grant_;
  Standing before_;
  std::string quarantine_;  // why; empty: it is not
  std::vector<std::string> audit_;
  std::optional<Bytes> boot_log_;
  Bytes ima_chunk_;
  lodekey::node::v1::FinishEnrolmentResponse response_;
};

}  // namespace lodekey::issuer
