// One FinishEnrolment from opened challenge to reply.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/appraisal.h"
#include "issuer/admission.h"
#include "issuer/challenge.h"
#include "issuer/context.h"
#include "issuer/grant.h"
#include "issuer/node_record.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

class Finishing {
 public:
  // `host` is admitted; an unknown one becomes a node, if its message is one to judge it by.
  static Result<Finishing> Of(Context& context, ProvedHost host);

  // Fails when it could not judge; a verdict of whatever outcome is kept for Commit.
  Result<void> Judge(const lodekey::node::v1::FinishEnrolmentRequest& request);
  // Records all that follows from the verdict in one transaction, then signs and replies.
  void Commit(Reply<lodekey::node::v1::FinishEnrolmentResponse> reply) &&;

 private:
  Finishing(Context& context, ProvedHost host, attest::Subject subject)
      : context_(context),
        challenge_(std::move(host.challenge)),
        record_(std::move(host.record)),
        subject_(std::move(subject)),
        admission_(std::move(host.admission)),
        scene_(std::move(host.scene)),
        before_(record_.standing) {}

  // Why the standing is what it is; empty: all is well.
  std::string Reason() const;
  // Whether nobody knew the host, and it is a node from here on.
  bool MakesNode() const;
  Result<void> Enrol(const attest::Evidence& evidence, Time now);
  void Remember(const attest::Evidence& evidence, Time now);
  Result<void> Record(Transaction& transaction) const;

  Context& context_;
  Challenge challenge_;
  NodeRecord record_;
  attest::Subject subject_;
  Ruling admission_;
  PolicyScene scene_;
  std::optional<attest::EarlierEnrolment> earlier_;
  std::optional<attest::Verdict> verdict_;
  std::optional<Decision> decision_;
  std::optional<Grant> grant_;
  Standing before_;
  std::string quarantine_;  // why; empty: it is not
  std::vector<std::string> audit_;
  std::optional<Bytes> boot_log_;
  Bytes ima_chunk_;
  lodekey::node::v1::FinishEnrolmentResponse response_;
};

}  // namespace lodekey::issuer
