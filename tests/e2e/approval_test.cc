// A host that nobody knows waits for an operator, with the real programs.
#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"

namespace lodekey::test {
namespace {

class ApprovalEndToEnd : public DeploymentTest {
 protected:
  void SetUp() override {
    SetUpWith({"/admission/unknown=\"approval\""});
    agent_->Start();
    ASSERT_TRUE(agent_->WaitForPhase("pending")) << agent_->daemon.Log() << issuer_->daemon.Log();
  }
  nlohmann::json Pending() const { return issuer_->AdminJson({"node", "pending"})["nodes"]; }
};

TEST_F(ApprovalEndToEnd, IsLetInOnceItIsApproved) {
  ASSERT_EQ(Pending().size(), 1u);
  EXPECT_EQ(Pending()[0]["id"], ek_);
  EXPECT_EQ(Pending()[0]["shown"]["assurance"], "hardware") << Pending();
  EXPECT_EQ(Pending()[0]["shown"]["manufacturer"], "id:00001014") << "as swtpm says";
  // The host says what it waits for, and the command that ends it.
  const Finished explained = agent_->Run({"explain"});
  EXPECT_NE(explained.out.find("lodekey node approve"), std::string::npos) << explained.out;
  // What another showed is not this host's.
  EXPECT_EQ(
      issuer_->AdminJson({"node", "approve", "--all", "--match", "assurance=emulator"})["nodes"]
          .size(),
      0u);
  EXPECT_EQ(Standing(), "pending");
  const Finished approved =
      issuer_->Admin({"node", "approve", "--all", "--match", "assurance=hardware", "--label",
                      "site=berlin", "--detailed-exitcode"});
  EXPECT_EQ(approved.exit_code, 10) << approved.err;
  EXPECT_TRUE(agent_->WaitForPhase("enrolled", 60)) << agent_->daemon.Log();
  EXPECT_EQ(issuer_->AdminJson({"node", "show", ek_})["node"]["labels"]["site"], "berlin");
  EXPECT_TRUE(Pending().empty());
}

TEST_F(ApprovalEndToEnd, StaysOutOnceItIsDenied) {
  ASSERT_EQ(issuer_->Admin({"node", "deny", ek_}).exit_code, 0);
  EXPECT_TRUE(agent_->WaitForProblem("node-barred", 60)) << agent_->daemon.Log();
  EXPECT_TRUE(Pending().empty());
  EXPECT_EQ(Standing(), "barred");
  // Until an operator thinks otherwise.
  Allow();
  EXPECT_TRUE(agent_->WaitForPhase("enrolled", 60)) << agent_->daemon.Log();
}

}  // namespace
}  // namespace lodekey::test
