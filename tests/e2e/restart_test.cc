// The agent starts again within the boot: what workloads hold is there before chip and issuer are.

#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/e2e/supervisor.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

enum class By { kTest, kSystemd };

class Restart : public DeploymentTest, public testing::WithParamInterface<By> {
 protected:
  void SetUp() override {
    SetUpIssuer({}, /*ek_certificate=*/false);
    SetUpAgent(issuer_->address());
    Allow();
    const SupervisedAgent agent{.issuer_address = issuer_->address(),
                                .pin = issuer_->pin(),
                                .tcti = tpm_->MuxTcti(),
                                .tpm_directory = tpm_->directory.path()};
    std::string why;
    supervisor_ = GetParam() == By::kTest ? SuperviseByTest(agent) : SuperviseBySystemd(agent, why);
    if (supervisor_ == nullptr) GTEST_SKIP() << why;
    CreateEntry();
    supervisor_->Start();
    ASSERT_TRUE(Eventually([&] { return Phase() == "enrolled"; })) << supervisor_->Log();
  }
  void CreateEntry() {
    const auto created =
        issuer_->AdminJson({"entry", "create", "--spiffe-id", "spiffe://e2e.example/web", "--node",
                            ek_, "--selector", "unix:uid:0", "--jwt-audience", "*"});
    entry_ = created["entries"][0]["after"].value("id", "");
    ASSERT_NE(entry_, "");
  }
  nlohmann::json Json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"-o", "json"});
    return nlohmann::json::parse(supervisor_->Run(std::move(arguments)).out, nullptr,
                                 /*allow_exceptions=*/false);
  }
  std::string Phase() const {
    const auto status = Json({"status"});
    return status.is_object() ? status.value("phase", "") : "";
  }
  // The serial number of the SVID that root gets; "" when it gets none.
  std::string Serial() const {
    const auto fetched = Json({"svid", "fetch", "x509"});
    return fetched.is_object() ? fetched["svids"][0].value("serial", "") : "";
  }

  std::unique_ptr<Supervisor> supervisor_;
  std::string entry_;
};

TEST_P(Restart, GivesOutWhatWasHeldWhenTheIssuerIsAway) {
  const std::string serial = Serial();
  ASSERT_NE(serial, "") << supervisor_->Log();
  issuer_->daemon.Signal(SIGKILL);
  for (int i = 0; i < 2; ++i) {
    supervisor_->Restart();
    ASSERT_TRUE(Eventually([&] { return Serial() == serial; })) << supervisor_->Log();
  }
}

TEST_P(Restart, GivesOutNothingOnceTheNodeWasRefused) {
  ASSERT_NE(Serial(), "") << supervisor_->Log();
  ASSERT_EQ(issuer_->Admin({"node", "remove", ek_}).exit_code, 0);
  ASSERT_TRUE(Eventually([&] { return Serial().empty(); })) << supervisor_->Log();
  issuer_->daemon.Signal(SIGKILL);
  supervisor_->Restart();
  ASSERT_TRUE(Eventually([&] { return Phase() != ""; })) << supervisor_->Log();
  EXPECT_EQ(Serial(), "");
}

INSTANTIATE_TEST_SUITE_P(Of, Restart, testing::Values(By::kTest, By::kSystemd),
                         [](const auto& param) {
                           return param.param == By::kTest ? "TheTest" : "Systemd";
                         });

}  // namespace
}  // namespace lodekey::test
