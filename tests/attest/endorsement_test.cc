#include "attest/endorsement.h"

#include <gtest/gtest.h>

#include "attest/key_rules.h"
#include "attest/tpm_manufacturer.h"
#include "tests/attest/ek_vendor.h"
#include "tests/attest/scene.h"
#include "tests/attest/shared_data.h"
#include "tests/support/must.h"

namespace lodekey::attest {
namespace {

using crypto::Certificate;
using test::Chip;
using test::EkVendor;
using test::Must;

const EkVendor& Vendor() {
  static const EkVendor vendor;
  return vendor;
}
VendorRoots HardwareRoots() { return {.hardware = {Vendor().root()}}; }

const tpm::PublicArea& Ek() { return Chip().ek().area; }

EkAppraisal Appraise(ByteView stored, const std::vector<Bytes>& chain = {},
                     const VendorRoots& roots = HardwareRoots()) {
  return Must(AppraiseEkCertificate(Ek(), stored, chain, roots));
}

Bytes Joined(ByteView a, ByteView b) {
  Bytes bytes = ToBytes(a);
  bytes.insert(bytes.end(), b.begin(), b.end());
  return bytes;
}

// A certificate that gives less assurance than a vendor's chain, and says why.
void ExpectInventory(const EkAppraisal& appraisal, std::string_view reason) {
  EXPECT_EQ(appraisal.assurance, Assurance::kInventory);
  EXPECT_EQ(appraisal.reason, reason);
  EXPECT_FALSE(appraisal.explanation.empty());
}

TEST(EkCertificate, ProvesHardwareUnderAVendorsRoot) {
  const auto appraisal = Appraise(Vendor().Certify(Ek()).der());
  EXPECT_EQ(appraisal.assurance, Assurance::kHardware);
  EXPECT_EQ(appraisal.reason, "");
}

TEST(EkCertificate, ProvesAnEmulatorUnderAnEmulatorsRoot) {
  const VendorRoots roots{.emulators = {Vendor().root()}};
  EXPECT_EQ(Appraise(Vendor().Certify(Ek()).der(), {}, roots).assurance, Assurance::kEmulator);
}

TEST(EkCertificate, A71ProvesNothingUnderAnEmulatorsRootThatIsNotConfigured) {
  const EkVendor emulator;
  ExpectInventory(Appraise(emulator.Certify(Ek()).der()), "ek-certificate-unknown-ca");
}

TEST(EkCertificate, A54ProvesNothingUnderAnUnknownCa) {
  const EkVendor unknown;
  const auto appraisal = Appraise(unknown.Certify(Ek()).der(), {unknown.root().der()});
  ExpectInventory(appraisal, "ek-certificate-unknown-ca");
  EXPECT_NE(appraisal.explanation.find("TPM root"), std::string::npos) << appraisal.explanation;
}

TEST(EkCertificate, ProvesNothingWithoutAnyRoot) {
  ExpectInventory(Appraise(Vendor().Certify(Ek()).der(), {}, {}), "ek-certificate-unknown-ca");
}

TEST(EkCertificate, A56ChainsOverAnIntermediateOfTheHost) {
  const Bytes leaf = Vendor().CertifyBelow(Ek()).der();
  ExpectInventory(Appraise(leaf), "ek-certificate-unknown-ca");
  const Bytes intermediate = Vendor().intermediate().der();
  EXPECT_EQ(Appraise(leaf, {intermediate}).assurance, Assurance::kHardware);
  // Order, surplus and what cannot be read do not matter.
  const EkVendor other;
  const std::vector<Bytes> chain = {Bytes(9, 0x30), other.intermediate().der(), intermediate,
                                    Vendor().root().der()};
  EXPECT_EQ(Appraise(leaf, chain).assurance, Assurance::kHardware);
}

TEST(EkCertificate, A57DoesNotChainOverAnIntermediateWithoutTheCaBit) {
  const EkVendor vendor(/*ca_intermediate=*/false);
  const VendorRoots roots{.hardware = {vendor.root()}};
  const auto appraisal =
      Appraise(vendor.CertifyBelow(Ek()).der(), {vendor.intermediate().der()}, roots);
  ExpectInventory(appraisal, "ek-certificate-unknown-ca");
}

TEST(EkCertificate, A58A59IsTakenWhetherItLapsedOrNeverEnds) {
  EXPECT_EQ(Appraise(Vendor().Certify(Ek(), {.expired = true}).der()).assurance,
            Assurance::kHardware);
  EXPECT_EQ(Appraise(Vendor().Certify(Ek(), {.expired = false}).der()).assurance,
            Assurance::kHardware);
}

TEST(EkCertificate, A60IsTakenWithACriticalSanAndNotWithAnUnknownCriticalExtension) {
  EXPECT_EQ(Appraise(Vendor().Certify(Ek(), {.extend = test::AddTpmName}).der()).assurance,
            Assurance::kHardware);
  ExpectInventory(Appraise(Vendor().Certify(Ek(), {.extend = test::AddUnknownCritical}).der()),
                  "ek-certificate-unknown-ca");
}

std::string ManufacturerOf(const std::string& written, const VendorRoots& roots = HardwareRoots()) {
  return Appraise(Vendor().Certify(Ek(), {.extend = test::TpmName(written)}).der(), {}, roots)
      .manufacturer;
}

TEST(EkCertificate, SaysWhoMadeTheChip) {
  EXPECT_EQ(ManufacturerOf("id:494E5443"), "INTC");
  EXPECT_EQ(ManufacturerOf("id:49465800"), "IFX") << "filled up with zeros";
  EXPECT_EQ(ManufacturerOf("id:53544D20"), "STM") << "filled up with a blank";
  EXPECT_EQ(ManufacturerOf("id:494e5443", {.emulators = {Vendor().root()}}), "INTC");
  EXPECT_EQ(Appraise(Vendor().Certify(Ek()).der()).manufacturer, "") << "it does not say";
}

TEST(EkCertificate, TellsAMakerOfAnotherKindAsItIsWritten) {
  for (const char* id : {"id:00001014", "id:494E54", "id:494E544300", "id:00000000", "Example"})
    EXPECT_EQ(ManufacturerOf(id), id);
  for (const std::string& id :
       {std::string("id:\n"), std::string("caf\xc3\xa9"), std::string(kMaxManufacturer + 1, 'a')})
    EXPECT_EQ(ManufacturerOf(id), "") << "not printable, or too long";
}

TEST(EkCertificate, SaysNothingOfTheMakerWhereNobodyVouchesForIt) {
  EXPECT_EQ(ManufacturerOf("id:494E5443", {}), "");
}

TEST(EkCertificate, A66ProvesNothingWithAnotherUsageOrOfACa) {
  for (const char* usage : {"", "clientAuth", "2.23.133.8.3"}) {
    ExpectInventory(Appraise(Vendor().Certify(Ek(), {.usage = usage}).der()),
                    "ek-certificate-usage");
  }
  ExpectInventory(Appraise(Vendor().Certify(Ek(), {.ca = true}).der()), "ek-certificate-usage");
  const auto both = Vendor().Certify(Ek(), {.usage = "clientAuth,2.23.133.8.1"});
  EXPECT_EQ(Appraise(both.der()).assurance, Assurance::kHardware);
}

TEST(EkCertificate, IsAbsentOnManyChips) { ExpectInventory(Appraise({}), "ek-certificate-absent"); }

TEST(EkCertificate, IsMalformedWhenItDoesNotParse) {
  const Bytes der = Vendor().Certify(Ek()).der();
  for (size_t size = 1; size < der.size(); size += 7) {
    ExpectInventory(Appraise(ByteView(der).first(size)), "ek-certificate-malformed");
  }
  for (const Bytes& bytes : {Bytes(100, 0xff), Bytes{0x30, 0}, Bytes{0x30, 0x84, 0, 0, 0, 1, 0}}) {
    ExpectInventory(Appraise(bytes), "ek-certificate-malformed");
  }
}

TEST(EkCertificate, ProvesNothingWhenItsSignatureIsChanged) {
  Bytes der = Vendor().Certify(Ek()).der();
  der.back() ^= 1;
  EXPECT_EQ(Appraise(der).assurance, Assurance::kInventory);
}

TEST(EkCertificate, A48IsALieWhenItIsForAnotherKey) {
  const auto appraisal = AppraiseEkCertificate(test::OtherChip().ek().area,
                                               Vendor().Certify(Ek()).der(), {}, HardwareRoots());
  ASSERT_FALSE(appraisal);
  EXPECT_EQ(appraisal.error().Name(), "ek-certificate-mismatch");
  EXPECT_FALSE(appraisal.error().advice.empty());
}

TEST(EkCertificate, A61MayBePaddedUniformly) {
  const Bytes der = Vendor().Certify(Ek()).der();
  for (const uint8_t padding : Bytes{0x00, 0x11, 0xff}) {
    const Bytes stored = Joined(der, Bytes(200, padding));
    EXPECT_TRUE(Equal(Must(TrimStoredCertificate(stored)), der));
    EXPECT_EQ(Appraise(stored).assurance, Assurance::kHardware);
  }
}

TEST(EkCertificate, A61IsMalformedWithOtherDataBehindIt) {
  const Bytes der = Vendor().Certify(Ek()).der();
  Bytes mixed(200, 0xff);
  mixed.back() = 0;
  for (const Bytes& tail : {mixed, Bytes(200, 0x22), Bytes{0x30}, der}) {
    EXPECT_FALSE(TrimStoredCertificate(Joined(der, tail)));
    ExpectInventory(Appraise(Joined(der, tail)), "ek-certificate-malformed");
  }
}

TEST(EkCertificate, OfACapturedChipChainsToItsCa) {
  const auto captures = test::SharedData() / "captures";
  const auto ek = test::ReadIfThere(captures / "a-clean/ek-rsa.tpm2b_pub");
  const auto certificate = test::ReadIfThere(captures / "a-clean/ek-rsa2048.crt.der");
  const auto issuer = test::ReadIfThere(captures / "ca/swtpm-localca-issuer.pem");
  const auto root = test::ReadIfThere(captures / "ca/swtpm-localca-root.pem");
  if (!ek || !certificate || !issuer || !root) GTEST_SKIP() << "the captures are not here";
  const auto area = Must(ReadEndorsementKey(*ek)).area;
  const std::vector<Bytes> chain = {Must(Certificate::FromPem(AsText(*issuer))).der()};
  const Certificate ca = Must(Certificate::FromPem(AsText(*root)));

  const auto appraise = [&](const VendorRoots& roots) {
    return Must(AppraiseEkCertificate(area, *certificate, chain, roots)).assurance;
  };
  EXPECT_EQ(
      Must(AppraiseEkCertificate(area, *certificate, chain, {.emulators = {ca}})).manufacturer,
      "id:00001014");
  EXPECT_EQ(appraise({.hardware = {ca}}), Assurance::kHardware);
  EXPECT_EQ(appraise({.emulators = {ca}}), Assurance::kEmulator);
  EXPECT_EQ(appraise(HardwareRoots()), Assurance::kInventory);
  EXPECT_FALSE(AppraiseEkCertificate(Ek(), *certificate, chain, {.emulators = {ca}}));
}

TEST(StoredChain, A68IsSplitIntoItsCertificates) {
  const Bytes one = Vendor().intermediate().der();
  const Bytes two = Vendor().root().der();
  EXPECT_EQ(SplitStoredChain(Joined(one, two)), (std::vector<Bytes>{one, two}));
  EXPECT_EQ(SplitStoredChain(Joined(Joined(two, one), Bytes(99, 0xff))),
            (std::vector<Bytes>{two, one}));
  EXPECT_TRUE(SplitStoredChain({}).empty());
  EXPECT_TRUE(SplitStoredChain(Bytes(500, 0xff)).empty());
}

TEST(StoredChain, A68LosesACertificateThatIsCutAndNoOther) {
  const Bytes one = Vendor().intermediate().der();
  const Bytes two = Vendor().root().der();
  const Bytes cut = ToBytes(ByteView(two).first(two.size() - 1));
  EXPECT_EQ(SplitStoredChain(Joined(one, cut)), std::vector<Bytes>{one});
}

TEST(StoredChain, IsBounded) {
  Bytes many;
  for (size_t i = 0; i < 3 * kMaxEkCertificates; ++i) {
    const Bytes object = {0x30, 1, 0};
    many.insert(many.end(), object.begin(), object.end());
  }
  EXPECT_EQ(SplitStoredChain(many).size(), kMaxEkCertificates);
}

TEST(Assurance, HasNamesThatAreReadBack) {
  for (const Assurance assurance :
       {Assurance::kInventory, Assurance::kEmulator, Assurance::kHardware}) {
    EXPECT_EQ(Must(ParseAssurance(AssuranceName(assurance))), assurance);
  }
  EXPECT_LT(Assurance::kInventory, Assurance::kEmulator);
  EXPECT_LT(Assurance::kEmulator, Assurance::kHardware);
  EXPECT_FALSE(ParseAssurance(""));
  EXPECT_FALSE(ParseAssurance("Hardware"));
}

}  // namespace
}  // namespace lodekey::attest
