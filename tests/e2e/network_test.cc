// A bad network between the real agent and the real issuer.
#include <sstream>

#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/e2e/proxy.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

class Network : public DeploymentTest {
 protected:
  void SetUpBehindProxy(std::vector<std::string> issuer_settings = {}) {
    SetUpIssuer(std::move(issuer_settings), /*ek_certificate=*/false);
    proxy_ = std::make_unique<Proxy>(issuer_->port);
    SetUpAgent(proxy_->address());
  }

  // The audit records of one event, oldest first.
  std::vector<nlohmann::json> Audited(const std::string& event) const {
    std::vector<nlohmann::json> records;
    std::istringstream lines(ReadText(issuer_->audit_log()));
    for (std::string line; std::getline(lines, line);) {
      const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (parsed.is_object() && parsed["record"].value("event", "") == event)
        records.push_back(parsed["record"]);
    }
    return records;
  }

  // The reply to the request that makes the next record of `event` is lost: its line is durable
  // before the reply leaves the issuer.
  void LoseReplyOf(const std::string& event) {
    proxy_->LoseReplyWhen(
        [this, event, seen = Audited(event).size()] { return Audited(event).size() > seen; });
  }
  bool IsHealthy() { return agent_->Status().value("health", "") == "green"; }

  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Network, ALostReplyToFinishEnrolmentCostsAnotherEnrolmentAndNothingElse) {
  SetUpBehindProxy();
  LoseReplyOf("node.enrolled");
  Enrol();
  EXPECT_TRUE(proxy_->lost_reply());
  EXPECT_EQ(Audited("node.enrolled").size(), 2u);
  // Of the two certificates the issuer made, the node's is the one that the agent has.
  const auto issued = Audited("credential.issued");
  ASSERT_GE(issued.size(), 2u);
  EXPECT_NE(issued[0].value("serial", ""), issued[1].value("serial", ""));
  EXPECT_EQ(agent_->Status().value("serial", ""), issued.back().value("serial", ""));
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
  EXPECT_EQ(issuer_->Admin({"audit", "verify"}).exit_code, 0);
}

TEST_F(Network, ALostReplyToAttestIsRepeatedForTheSameBytes) {
  // The agent attests when it is asked to, and by itself only to have its answer.
  SetUpBehindProxy({"attestation.interval=1h", "ca.node_ttl=2h"});
  Enrol();
  LoseReplyOf("node.attested");
  EXPECT_EQ(agent_->Run({"attest"}).exit_code, 5) << agent_->daemon.Log();
  EXPECT_TRUE(proxy_->lost_reply());
  ASSERT_TRUE(Eventually([&] { return IsHealthy(); })) << agent_->daemon.Log();
  const auto attested = Audited("node.attested");
  ASSERT_EQ(attested.size(), 1u) << "the evidence was judged again";
  EXPECT_EQ(agent_->Status().value("last_attested", ""), attested[0].value("time", ""));
  EXPECT_TRUE(Audited("node.quarantined").empty());
  EXPECT_EQ(agent_->Run({"attest"}).exit_code, 0) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

TEST_F(Network, ARenewedCertificateInALostReplyReachesTheAgentAllTheSame) {
  SetUpBehindProxy({"ca.node_ttl=5s"});
  Enrol();
  LoseReplyOf("credential.issued");
  ASSERT_TRUE(Eventually([&] { return proxy_->lost_reply(); })) << agent_->daemon.Log();
  const std::string lost = Audited("credential.issued").back().value("serial", "");
  EXPECT_TRUE(Eventually([&] { return agent_->Status().value("serial", "") == lost; }))
      << agent_->daemon.Log();
  EXPECT_TRUE(agent_->WaitForAttestation()) << "with the certificate that was repeated";
  EXPECT_EQ(Standing(), "active");
}

TEST_F(Network, ATrickleIsEnoughToEnrolAndToAttest) {
  SetUpBehindProxy();
  proxy_->Trickle(128, std::chrono::milliseconds(2));
  Enrol();
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

TEST_F(Network, WhileNothingComesThroughTheAgentAnswersAndKeepsItsIdentity) {
  SetUpBehindProxy();
  Enrol();
  proxy_->Stall(true);
  ASSERT_TRUE(Eventually([&] { return proxy_->holds_request(); })) << agent_->daemon.Log();
  const nlohmann::json status = agent_->Status();
  EXPECT_TRUE(status["spiffe_id"].is_string());
  proxy_->Stall(false);
  EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  EXPECT_EQ(Standing(), "active");
}

}  // namespace
}  // namespace lodekey::test
