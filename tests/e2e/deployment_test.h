// What end-to-end tests begin with: one TPM, one issuer that may have it in its inventory, one
// agent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"

namespace lodekey::test {

class DeploymentTest : public testing::Test {
 protected:
  void SetUpWith(std::vector<std::string> issuer_settings = {}, bool ek_certificate = true) {
    SetUpIssuer(std::move(issuer_settings), ek_certificate);
    SetUpAgent(issuer_->address());
  }
  void SetUpIssuer(std::vector<std::string> settings = {}, bool ek_certificate = true) {
    tpm_ = TestTpm::Create(ek_certificate);
    ASSERT_NE(tpm_, nullptr);
    issuer_ = std::make_unique<IssuerHost>(tpm_->vendor.get(), std::move(settings));
    issuer_->Init();
    issuer_->Start();
  }
  // `issuer_address` is the issuer's, or of something that stands before it.
  void SetUpAgent(const std::string& issuer_address, HostOptions options = {}) {
    agent_ = std::make_unique<AgentHost>(issuer_address, issuer_->pin(), tpm_->MuxTcti(),
                                         std::move(options));
    ek_ = agent_->EkHash();
    ASSERT_EQ(ek_.size(), 64u);
  }
  void Allow() { ASSERT_EQ(issuer_->Admin({"node", "allow", ek_}).exit_code, 0); }
  void Enrol() {
    Allow();
    agent_->Start();
    ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
  }
  std::string Standing() {
    return issuer_->AdminJson({"node", "show", ek_})["node"].value("standing", "");
  }
  bool WaitForProblem(const std::string& code) { return agent_->WaitForProblem(code); }
  Finished TpmTool(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"/usr/bin/env", "TPM2TOOLS_TCTI=" + tpm_->MuxTcti()});
    return RunProgram(arguments);
  }
  void ExtendPcr(int pcr) {
    const Finished extended =
        TpmTool({"tpm2_pcrextend", std::to_string(pcr) + ":sha256=" + std::string(64, 'a')});
    ASSERT_EQ(extended.exit_code, 0) << extended.err;
  }
  // SIGKILL, and what the kernel's resource manager does for a client that died: its slots in the
  // chip are freed.
  void KillAgent() {
    agent_->daemon.Signal(SIGKILL);
    FreeTpmSlots();
  }
  void FreeTpmSlots() {
    TpmTool({"tpm2_flushcontext", "-t"});
    TpmTool({"tpm2_flushcontext", "-l"});
  }

  std::unique_ptr<TestTpm> tpm_;
  std::unique_ptr<IssuerHost> issuer_;
  std::unique_ptr<AgentHost> agent_;
  std::string ek_;
};

}  // namespace lodekey::test
