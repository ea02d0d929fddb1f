// Enrolment and the certificate of the endorsement key.
#include <gtest/gtest.h>

#include "issuer/enroller.h"
#include "tests/attest/ek_vendor.h"
#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

class HardwareOnlyTest : public EnrollerTest {
 protected:
  HardwareOnlyTest() {
    issuer.Choose("/admission/minimum_assurance", "hardware");
    issuer.context->roots.hardware = {vendor.root()};
    Allow(host);
  }
  std::string Assured() {
    const auto answer = Answer(issuer.Enrol(host));
    return answer == "ACCEPTED" ? issuer.Record(host).enrolment->assurance : answer;
  }

  EkVendor vendor;
  Host host;
};

TEST_F(HardwareOnlyTest, AcceptsTheChipOfAKnownVendor) {
  host.ek_certificate = vendor.Certify(host.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "hardware");
}

TEST_F(HardwareOnlyTest, AcceptsAnIntermediateThatTheHostBrings) {
  host.ek_certificate = vendor.CertifyBelow(host.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "ek-certificate-unknown-ca");
  host.ek_chain = {vendor.intermediate().der()};
  EXPECT_EQ(Assured(), "hardware");
}

TEST_F(HardwareOnlyTest, RefusesAChipWithoutACertificate) {
  const auto started = issuer.Start(host.Start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kDenied);
  EXPECT_EQ(started.error().Name(), "ek-certificate-absent");
}

TEST_F(HardwareOnlyTest, RefusesTheChipOfAnUnknownVendor) {
  const EkVendor unknown;
  host.ek_certificate = unknown.Certify(host.tpm().ek().area).der();
  host.ek_chain = {unknown.root().der()};
  EXPECT_EQ(Assured(), "ek-certificate-unknown-ca");
}

TEST_F(HardwareOnlyTest, RefusesACertificateForAnotherUse) {
  host.ek_certificate = vendor.Certify(host.tpm().ek().area, {.usage = "1.3.6.1.5.5.7.3.1"}).der();
  EXPECT_EQ(Assured(), "ek-certificate-usage");
}

TEST_F(HardwareOnlyTest, RefusesWhatIsNoCertificate) {
  host.ek_certificate = ToBytes("not a certificate");
  EXPECT_EQ(Assured(), "ek-certificate-malformed");
}

TEST_F(HardwareOnlyTest, DoesNotTakeAnEmulatorForHardware) {
  issuer.context->roots = {.hardware = {}, .emulators = {vendor.root()}};
  host.ek_certificate = vendor.Certify(host.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "assurance-too-low");
  issuer.Choose("/admission/minimum_assurance", "emulator");
  EXPECT_EQ(Assured(), "emulator");
}

// A host that shows another chip's certificate lies, whatever assurance is asked for.
TEST_F(HardwareOnlyTest, RefusesTheCertificateOfAnotherChip) {
  const Host other;
  host.ek_certificate = vendor.Certify(other.tpm().ek().area).der();
  EXPECT_EQ(Assured(), "ek-certificate-mismatch");
  issuer.Choose("/admission/minimum_assurance", "inventory");
  EXPECT_EQ(Assured(), "ek-certificate-mismatch");
}

TEST_F(HardwareOnlyTest, ShowsAnOperatorWhoMadeTheChip) {
  issuer.Choose("/admission/unknown", "approval");
  Host stranger;
  stranger.ek_certificate =
      vendor.Certify(stranger.tpm().ek().area, {.extend = TpmName("id:494E5443")}).der();
  EXPECT_EQ(Answer(issuer.Enrol(stranger)), "approval-pending");
  EXPECT_EQ(issuer.Record(stranger).shown.at("manufacturer"), "INTC");
}

// A vendor's certificate proves a genuine chip, never one of ours.
TEST_F(HardwareOnlyTest, AdmitsNobodyByACertificateAlone) {
  Host stranger;
  stranger.ek_certificate = vendor.Certify(stranger.tpm().ek().area).der();
  EXPECT_EQ(Answer(issuer.Enrol(stranger)), "ek-not-in-inventory");
}

}  // namespace
}  // namespace lodekey::test
