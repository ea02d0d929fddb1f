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
    tpm_ = TestTpm::Create(ek_certificate);
    ASSERT_NE(tpm_, nullptr);
    issuer_ = std::make_unique<IssuerHost>(tpm_->vendor.get(), std::move(issuer_settings));
    issuer_->Init();
    issuer_->Start();
    agent_ = std::make_unique<AgentHost>(issuer_->address(), issuer_->pin(), tpm_->MuxTcti());
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
  // The code of what keeps the agent from its identity.
  std::string ProblemCode() {
    const nlohmann::json status = agent_->Status();
    return status.is_object() && status["problem"].is_object() ? status["problem"].value("code", "")
                                                               : "";
  }
  bool WaitForProblem(const std::string& code, int seconds = 30) {
    return Eventually([&] { return ProblemCode() == code; }, seconds);
  }
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
    TpmTool({"tpm2_flushcontext", "-t"});
    TpmTool({"tpm2_flushcontext", "-l"});
  }

  std::unique_ptr<TestTpm> tpm_;
  std::unique_ptr<IssuerHost> issuer_;
  std::unique_ptr<AgentHost> agent_;
  std::string ek_;
};

}  // namespace lodekey::test
