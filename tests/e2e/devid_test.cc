// A host that no inventory has enrols by the device certificate that its operator gave it.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/support/device_key.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

// An authority as an operator has one, by openssl.
class DevIdCa {
 public:
  DevIdCa() {
    std::filesystem::create_directory(roots());
    Run({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key(), "-out", root(), "-days", "30", "-subj",
         "/O=Example/CN=Example DevID CA"});
  }
  std::string roots() const { return directory_ / "roots"; }
  // A certificate for the key of this TPM, in PEM.
  std::string Certify(const DeviceKey& device) const {
    const std::string certificate = directory_ / "devid.pem";
    const std::string request = directory_ / "request";
    const std::string any = directory_ / "any.key";
    const std::string public_key = directory_ / "devid.pub";
    Must(WriteText(public_key, AsText(device.area().key().spki_der())));
    const std::string extensions = directory_ / "extensions";
    Must(WriteText(extensions, "keyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n"));
    // The request is another key's: the certificate is for that of the device all the same.
    Run({"/usr/bin/openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", any, "-out", request, "-subj", "/O=Example/CN=host-7"});
    Run({"/usr/bin/openssl", "x509", "-req", "-in", request, "-CA", root(), "-CAkey", key(),
         "-CAcreateserial", "-force_pubkey", public_key, "-days", "30", "-extfile", extensions,
         "-out", certificate});
    return certificate;
  }

 private:
  std::string root() const { return roots() + "/devid-ca.pem"; }
  std::string key() const { return directory_ / "ca.key"; }
  static void Run(const std::vector<std::string>& command) {
    const Finished finished = RunProgram(command);
    if (finished.exit_code != 0) throw std::runtime_error(finished.err);
  }

  TempDir directory_;
};

class DevIdEndToEnd : public DeploymentTest {
 protected:
  void SetUpWithDevId(const std::string& key_settings, const std::string& attribute = "") {
    SetUpIssuer({"admission.devid_roots=" + ca_.roots(), "/admission/devid=\"allow\""});
    device_ = std::make_unique<DeviceKey>(tpm_->MuxTcti(), /*auth=*/"", attribute);
    SetUpAgent(issuer_->address(),
               {.settings = {fmt::format("devid.certificate = \"{}\"", ca_.Certify(*device_)),
                             key_settings}});
  }
  void ExpectEnrolled() {
    agent_->Start();
    ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
    EXPECT_EQ(Standing(), "active");
    EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
  }

  DevIdCa ca_;
  std::unique_ptr<DeviceKey> device_;
};

TEST_F(DevIdEndToEnd, LetsAHostInByAPersistentKey) {
  SetUpWithDevId(fmt::format("devid.key = \"{:#x}\"", DeviceKey::kHandle));
  ExpectEnrolled();
}

TEST_F(DevIdEndToEnd, SaysThatAKeyIsCertifiedByItsPolicyAlone) {
  SetUpWithDevId(fmt::format("devid.key = \"{:#x}\"", DeviceKey::kHandle), "adminwithpolicy");
  agent_->Start();
  EXPECT_TRUE(WaitForProblem("devid-key-policy")) << agent_->daemon.Log();
}

TEST_F(DevIdEndToEnd, RefusesAHostWhoseCertificateIsOfAnotherAuthority) {
  const DevIdCa other;
  SetUpIssuer({"admission.devid_roots=" + other.roots(), "/admission/devid=\"allow\""});
  device_ = std::make_unique<DeviceKey>(tpm_->MuxTcti());
  SetUpAgent(issuer_->address(),
             {.settings = {fmt::format("devid.certificate = \"{}\"", ca_.Certify(*device_)),
                           fmt::format("devid.key = \"{:#x}\"", DeviceKey::kHandle)}});
  agent_->Start();
  EXPECT_TRUE(WaitForProblem("devid-unknown-ca")) << agent_->daemon.Log();
}

}  // namespace
}  // namespace lodekey::test
