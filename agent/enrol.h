// From a TPM and an issuer to a node with an identity.
#pragma once

#include "agent/issuer_client.h"
#include "agent/node_tpm.h"
#include "agent/state.h"
#include "attest/collect.h"
#include "base/result.h"
#include "lodekey/node/v1/node_service.pb.h"
#include "platform/agent_config.h"

namespace lodekey::agent {

struct EnrolmentReply {
  lodekey::node::v1::FinishEnrolmentResponse response;
  std::string node_id;
  tpm::PcrBank pcrs;  // of the evidence that was judged
};

// Start, activate, certify, quote, finish. The response's verdict may be a refusal; an Error means
// that it did not come to a verdict.
Result<EnrolmentReply> Enrol(const platform::AgentConfig& config, const State& state, NodeTpm& tpm,
                             IssuerClient& issuer, const attest::BootLog& boot_log);

// Where this host's evidence comes from.
attest::CollectContext CollectContextOf(const platform::AgentConfig& config, const State& state);

}  // namespace lodekey::agent
