// A node and its issuer in one process: a real TPM emulator behind a probe, real TLS on loopback.
// For tests and benchmarks that count what crosses to the chip.
#pragma once

#include <memory>

#include "agent/enrol.h"
#include "agent/identity.h"
#include "agent/issuer_client.h"
#include "agent/node_tpm.h"
#include "issuer/server.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/swtpm.h"
#include "tests/support/tpm_probe.h"

namespace lodekey::test {

class NodeRun {
 public:
  NodeRun();

  // Opens the chip with the agent's state; again, as after a restart of the agent, when called
  // again.
  void OpenTpm();
  // Puts the EK into the inventory, enrols, and takes the identity into use.
  agent::EnrolmentReply Enrol();
  // Evidence for the reply's nonce, sent over mutual TLS.
  node::AttestResponse Attest(const node::NextStep& next, bool with_values);

  TpmProbe probe;
  std::unique_ptr<TestTpm> tpm;
  std::unique_ptr<IssuerRig> issuer;
  std::unique_ptr<issuer::Server> server;
  platform::AgentConfig config;
  std::unique_ptr<agent::State> state;
  std::unique_ptr<agent::IssuerClient> client;
  std::unique_ptr<agent::NodeTpm> node_tpm;
  agent::NodeIdentity identity;
  tpm::PcrBank pcrs;  // of the last accepted evidence
  std::string node_id;
};

// How often the command code occurs in what the probe saw.
size_t Count(const TpmProbe& probe, uint32_t code);

}  // namespace lodekey::test
