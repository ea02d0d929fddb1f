// ek and doctor on a TPM emulator.
#include <map>

#include <gtest/gtest.h>

#include "attest/ledger.h"
#include "crypto/certificate.h"
#include "platform/file.h"
#include "tests/cli/fakes.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"
#include "tests/support/swtpm.h"
#include "tpm/device.h"

namespace lodekey::cli {
namespace {

using platform::ScratchDir;
using test::Must;

class Chip : public testing::Test {
 protected:
  void Start(bool certificate) {
    tpm_ = test::TestTpm::Create(certificate);
    ASSERT_NE(tpm_, nullptr);
  }
  std::string Tcti() const { return tpm_->swtpm->tcti(); }

  // A configuration that knows the TPM and nothing else.
  std::string Config() {
    return scratch_.Write("agent.toml", "[agent]\nruntime_dir = \"" + scratch_.path() +
                                            "\"\n[tpm]\ntcti = \"" + Tcti() + "\"\n");
  }

  std::map<std::string, std::string> Doctor() {
    rig_.agent.status = agent::v1::Status();
    EXPECT_EQ(rig_.Run({"doctor", "-c", Config(), "-o", "json"}), 1);  // no issuer is configured
    std::map<std::string, std::string> levels;
    const auto json = rig_.Json();
    for (const auto& check : json["checks"]) levels[check["id"]] = check["level"];
    return levels;
  }

  std::unique_ptr<test::TestTpm> tpm_;
  ScratchDir scratch_;
  CommandRig rig_;
};

TEST_F(Chip, ShowsTheKeyOfItsPreferredCertificate) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const std::string pem = scratch_ / "ek.pem";
  ASSERT_EQ(rig_.Run({"ek", "--tcti", Tcti(), "-o", "json", "--pem", pem}), 0) << rig_.err();
  const auto json = rig_.Json();
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["key_type"], "ec-p384");
  const auto certificate =
      Must(crypto::Certificate::FromPem(json["certificate"]["pem"].get<std::string>()));
  EXPECT_EQ(json["ek_hash"], ToHex(certificate.key().spki_sha256()));
  EXPECT_EQ(Must(crypto::Certificate::FromPem(Must(platform::ReadTextFile(pem)))).der(),
            certificate.der());
}

TEST_F(Chip, ShowsItsFirstKeyWithoutACertificate) {
  ASSERT_NO_FATAL_FAILURE(Start(false));
  ASSERT_EQ(rig_.Run({"ek", "-c", Config(), "-o", "json"}), 0) << rig_.err();
  const auto json = rig_.Json();
  EXPECT_EQ(json["template"], "p256-l2");
  EXPECT_TRUE(json["certificate"].is_null());
  const std::string hash = json["ek_hash"];
  ASSERT_EQ(rig_.Run({"ek", "--tcti", Tcti()}), 0);
  EXPECT_NE(rig_.out().find("lodekey node allow " + hash), std::string::npos);
}

TEST_F(Chip, LeavesThePemFileWhenItDoesNotAnswer) {
  const std::string pem = scratch_.Write("ek.pem", "old");
  EXPECT_EQ(rig_.Run({"ek", "--tcti", "swtpm:path=" + (scratch_ / "absent"), "--pem", pem}), 6);
  EXPECT_NE(rig_.err().find("[tpm-absent]"), std::string::npos);
  EXPECT_EQ(Must(platform::ReadTextFile(pem)), "old");
}

TEST_F(Chip, IsHealthyAndItsRegisterFree) {
  ASSERT_NO_FATAL_FAILURE(Start(true));
  const auto levels = Doctor();
  EXPECT_EQ(levels.at("tpm-device"), "ok");
  EXPECT_EQ(levels.at("ek-certificate"), "ok");
  EXPECT_EQ(levels.at("pcr-bank"), "ok");
  EXPECT_EQ(levels.at("ledger-register"), "ok");
}

TEST_F(Chip, HasALedgerRegisterThatSomethingElseExtended) {
  ASSERT_NO_FATAL_FAILURE(Start(false));
  {
    const auto device = Must(tpm::Device::Open(Tcti()));
    for (const uint8_t pcr : {uint8_t{12}, uint8_t{13}}) {
      Must(device->ExtendPcr(pcr, {{crypto::HashAlg::kSha256, Bytes(32, 1)}}));
    }
  }
  EXPECT_EQ(Doctor().at("ledger-register"), "fail");
  EXPECT_NE(rig_.out().find("PCR 15 is free"), std::string::npos) << rig_.out();
}

TEST_F(Chip, HasALedgerRegisterThatTheAgentsLedgerExplains) {
  ASSERT_NO_FATAL_FAILURE(Start(false));
  const Bytes ak_name(34, 0x0b);
  attest::LedgerRecord record;
  record.pcr = 13;
  record.claim.ak_name = ak_name;
  {
    const auto device = Must(tpm::Device::Open(Tcti()));
    record.digests = attest::ClaimDigests(ak_name, Must(device->ReadProperties()).banks);
    std::vector<tpm::Device::BankDigest> digests;
    for (const auto& digest : record.digests) digests.push_back({digest.bank, digest.digest});
    Must(device->ExtendPcr(13, digests));
  }
  EXPECT_EQ(Doctor().at("ledger-register"), "fail");
  scratch_.Write("ledger.cel", AsText(attest::EncodeLedger({record})));
  EXPECT_EQ(Doctor().at("ledger-register"), "ok");
}

}  // namespace
}  // namespace lodekey::cli
