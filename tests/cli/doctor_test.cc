#include <arpa/inet.h>
#include <map>
#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "cli/doctor_host.h"
#include "cli/doctor_tpm.h"
#include "platform/unique_fd.h"
#include "tests/cli/fakes.h"
#include "tests/platform/scratch.h"

namespace lodekey::cli {
namespace {

using platform::ScratchDir;

constexpr crypto::HashAlg kBank = crypto::HashAlg::kSha256;

// Registers 8 to 15 in their initial value but those named.
tpm::PcrBank Registers(std::initializer_list<uint8_t> used = {}) {
  tpm::PcrBank bank{.alg = kBank};
  for (uint8_t pcr = 8; pcr < 16; ++pcr) bank.values[pcr] = Bytes(32, 0);
  for (const uint8_t pcr : used) bank.values[pcr] = Bytes(32, pcr);
  return bank;
}

TpmObservation Healthy() {
  return {.properties = tpm::TpmProperties{.manufacturer = "IFX", .banks = {kBank}},
          .ek = EkCertificate{.made_for = &tpm::EkTemplates().front()},
          .registers = Registers()};
}

const Check* Find(const std::vector<Check>& checks, std::string_view id) {
  for (const Check& check : checks) {
    if (check.id == id) return &check;
  }
  return nullptr;
}

TEST(LedgerCheck, IsGoodWhenTheRegisterIsFree) {
  EXPECT_EQ(CheckLedgerRegister(Registers(), {.pcr = 13}).level, Level::kOk);
}

TEST(LedgerCheck, IsGoodWhenTheAgentIsEnrolledWithIt) {
  const auto check = CheckLedgerRegister(Registers({13}), {.pcr = 13, .enrolled = true});
  EXPECT_EQ(check.level, Level::kOk);
}

TEST(LedgerCheck, IsGoodWhenTheLedgerExplainsTheValue) {
  EXPECT_EQ(CheckLedgerRegister(Registers({13}), {.pcr = 13, .recorded = Bytes(32, 13)}).level,
            Level::kOk);
}

TEST(LedgerCheck, FailsAndProposesAFreeRegister) {
  const auto check =
      CheckLedgerRegister(Registers({12, 13}), {.pcr = 13, .recorded = Bytes(32, 12)});
  EXPECT_EQ(check.level, Level::kFail);
  EXPECT_NE(check.fix.find("tpm.ledger_pcr = \"15\""), std::string::npos) << check.fix;
  EXPECT_NE(check.fix.find("appraisal.ledger_registers"), std::string::npos) << check.fix;
}

TEST(LedgerCheck, SaysSoWhenNoRegisterIsFree) {
  const auto check = CheckLedgerRegister(Registers({12, 13, 15}), {.pcr = 13});
  EXPECT_EQ(check.level, Level::kFail);
  EXPECT_NE(check.fix.find("None of PCR 12, 13 and 15 is free"), std::string::npos);
}

TEST(LedgerCheck, WarnsWhenNoneIsConfigured) {
  const auto check = CheckLedgerRegister(Registers({12}), {});
  EXPECT_EQ(check.level, Level::kWarn);
  EXPECT_NE(check.fix.find("PCR 13 is free"), std::string::npos);
}

TEST(LedgerCheck, DoesNotTakeAnAbsentValueForAFreeRegister) {
  EXPECT_EQ(CheckLedgerRegister({.alg = kBank}, {.pcr = 13}).level, Level::kFail);
}

TEST(TpmChecks, AreGoodForAHealthyChip) {
  const auto checks = CheckTpm(Healthy(), {.pcr = 13});
  ASSERT_EQ(checks.size(), 4u);
  EXPECT_FALSE(AnyFailed(checks));
  EXPECT_EQ(Find(checks, "ek-certificate")->level, Level::kWarn);
}

TEST(TpmChecks, FailWithoutTheSha256Bank) {
  TpmObservation seen = Healthy();
  seen.properties->banks = {crypto::HashAlg::kSha1};
  seen.registers.reset();
  const auto checks = CheckTpm(seen, {.pcr = 13});
  EXPECT_EQ(Find(checks, "pcr-bank")->level, Level::kFail);
  EXPECT_EQ(Find(checks, "ledger-register"), nullptr);
}

TEST(TpmChecks, FailWithTheReasonWhenTheChipIsAbsent) {
  const auto checks = CheckTpm({.problem = Error{.code = Code::kHardware,
                                                 .text = "no such device",
                                                 .name = "tpm-absent",
                                                 .advice = "switch the TPM on"}},
                               {.pcr = 13});
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].level, Level::kFail);
  EXPECT_EQ(checks[0].what, "no such device");
  EXPECT_EQ(checks[0].fix, "switch the TPM on");
}

TEST(TpmChecks, DoNotJudgeARegisterThatIsNotKnown) {
  EXPECT_EQ(Find(CheckTpm(Healthy(), {.known = false}), "ledger-register"), nullptr);
}

TEST(TpmChecks, SayWhyACertificateIsOfNoUse) {
  TpmObservation seen = Healthy();
  seen.ek = ParseEkCertificate(tpm::EkTemplates().front(), Bytes(40, 0x11));
  const auto checks = CheckTpm(seen, {.pcr = 13});
  EXPECT_EQ(Find(checks, "ek-certificate")->level, Level::kWarn);
  EXPECT_NE(Find(checks, "ek-certificate")->what.find("of no use"), std::string::npos);
}

TEST(ClockCheck, FailsBeforeTheRelease) {
  const Time release{Duration(kNowMs)};
  EXPECT_EQ(CheckClock(release, release, release).level, Level::kOk);
  EXPECT_EQ(CheckClock(release - Duration(1), release, release).level, Level::kFail);
}

TEST(ClockCheck, WarnsWhenTheAgentKnowsAnotherTimeFromItsIssuer) {
  const Time now{Duration(kNowMs)};
  EXPECT_EQ(CheckClock(now, now, now + std::chrono::seconds(59)).level, Level::kOk);
  const Check behind = CheckClock(now, now, now + std::chrono::hours(1));
  EXPECT_EQ(behind.level, Level::kWarn);
  EXPECT_NE(behind.what.find("1 hour behind"), std::string::npos) << behind.what;
  const Check ahead = CheckClock(now, now - std::chrono::hours(2), now - std::chrono::hours(1));
  EXPECT_EQ(ahead.level, Level::kWarn);
  EXPECT_NE(ahead.what.find("1 hour ahead"), std::string::npos) << ahead.what;
}

TEST(LogChecks, StateWhetherTheLogIsThere) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("log", "content");
  EXPECT_EQ(CheckBootLog(path).level, Level::kOk);
  EXPECT_EQ(CheckImaLog(path).level, Level::kOk);
  EXPECT_EQ(CheckBootLog(scratch / "absent").level, Level::kWarn);
  EXPECT_EQ(CheckImaLog(scratch / "absent").level, Level::kWarn);
  EXPECT_EQ(CheckBootLog(scratch.path()).level, Level::kFail);
}

TEST(AgentCheck, FollowsWhatTheAgentServes) {
  const Time now{Duration(kNowMs)};
  EXPECT_EQ(CheckAgent(EnrolledStatus(), now).level, Level::kOk);
  EXPECT_EQ(CheckAgent(RefusedStatus(), now).level, Level::kFail);
  EXPECT_EQ(CheckAgent(RefusedStatus(), now).fix, "Reboot the host.");
  auto amber = EnrolledStatus();
  amber.mutable_problem()->set_text("no answer from the issuer");
  EXPECT_EQ(CheckAgent(amber, now).level, Level::kWarn);
  EXPECT_EQ(CheckAgent(NotAsked(), now).level, Level::kFail);
}

// A port on which somebody listens, or used to.
class Port {
 public:
  Port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 1), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    number_ = ntohs(address.sin_port);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(number_); }
  void Close() { fd_.reset(); }

 private:
  platform::UniqueFd fd_;
  uint16_t number_ = 0;
};

TEST(IssuerCheck, ConnectsToThePort) {
  Port port;
  EXPECT_EQ(CheckIssuerPort(port.address(), std::chrono::seconds(3)).level, Level::kOk);
  port.Close();
  const auto refused = CheckIssuerPort(port.address(), std::chrono::seconds(3));
  EXPECT_EQ(refused.level, Level::kFail);
  EXPECT_NE(refused.what.find("Connection refused"), std::string::npos) << refused.what;
}

TEST(IssuerCheck, FailsForAnAddressThatIsNone) {
  EXPECT_EQ(CheckIssuerPort("a:b:c", Duration(1)).level, Level::kFail);
  EXPECT_EQ(CheckIssuerPort("", Duration(1)).level, Level::kWarn);
}

TEST(Checks, AreALineEachWithReasonAndRemedy) {
  const std::vector<Check> checks{
      {.id = "a", .what = "fine"},
      {.id = "longer", .level = Level::kFail, .what = "bad\x1b", .why = "because", .fix = "do"}};
  EXPECT_EQ(ChecksText(checks),
            "ok    a       fine\n"
            "fail  longer  bad\\x1b\n"
            "              why: because\n"
            "              fix: do\n");
  EXPECT_TRUE(AnyFailed(checks));
}

TEST(Checks, AreAnArrayInJson) {
  const Json json = ChecksJson({{.id = "a", .level = Level::kWarn, .what = "w", .why = "y"}});
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["id"], "a");
  EXPECT_EQ(json[0]["level"], "warn");
  EXPECT_EQ(json[0]["why"], "y");
  EXPECT_TRUE(json[0]["fix"].is_null());
}

class Doctor : public testing::Test {
 protected:
  Doctor() {
    rig_.agent.status = Fail(Code::kUnavailable, "lodekeyd is not reachable",
                             {.name = "agent-unreachable", .advice = "Start lodekeyd"});
  }
  // The level of each check, with `more` in front of a configuration whose TPM and logs are absent.
  std::map<std::string, std::string> Levels(const std::string& more) {
    const std::string path =
        scratch_.Write("agent.toml", more + "[tpm]\ntcti = \"device:" + (scratch_ / "absent") +
                                         "\"\n[evidence]\nboot_log = \"" + (scratch_ / "b") +
                                         "\"\nima_log = \"" + (scratch_ / "i") + "\"\n");
    EXPECT_EQ(rig_.Run({"doctor", "-c", path, "-o", "json"}), 1);
    const auto json = rig_.Json();
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["healthy"], false);
    std::map<std::string, std::string> levels;
    for (const auto& check : json["checks"]) levels[check["id"]] = check["level"];
    return levels;
  }
  ScratchDir scratch_;
  CommandRig rig_;
};

TEST_F(Doctor, FailsAndGoesOnWithoutConfigurationTpmOrAgent) {
  EXPECT_EQ(Levels(""), (std::map<std::string, std::string>{{"configuration", "fail"},
                                                            {"tpm-device", "fail"},
                                                            {"boot-log", "warn"},
                                                            {"ima-log", "warn"},
                                                            {"clock", "ok"},
                                                            {"agent", "fail"},
                                                            {"issuer-port", "warn"}}));
}

TEST_F(Doctor, DropsNoCheckForABadKey) {
  Port port;
  const std::string issuer = "issuer = \"" + port.address() + "\"\n";
  const std::map<std::string, std::string> expected{
      {"configuration", "fail"}, {"tpm-device", "fail"}, {"boot-log", "warn"}, {"ima-log", "warn"},
      {"clock", "ok"},           {"agent", "fail"},      {"issuer-port", "ok"}};
  EXPECT_EQ(Levels(issuer + "bogus = 1\nlog_level = \"loud\"\n"), expected);
}

TEST_F(Doctor, LooksAtNothingThatASyntaxErrorHides) {
  EXPECT_EQ(
      Levels("issuer = \n"),
      (std::map<std::string, std::string>{
          {"configuration", "fail"}, {"clock", "ok"}, {"agent", "fail"}, {"issuer-port", "warn"}}));
}

TEST(ConfigCheck, FailsForAGroupThatDoesNotExist) {
  platform::AgentConfig config{.group = "root"};
  EXPECT_EQ(CheckConfig(config).level, Level::kOk);
  config.group = "no-such-group-here";
  EXPECT_EQ(CheckConfig(config).level, Level::kFail);
  EXPECT_EQ(CheckConfig(config).what, "agent.group: there is no group 'no-such-group-here'");
}

}  // namespace
}  // namespace lodekey::cli
