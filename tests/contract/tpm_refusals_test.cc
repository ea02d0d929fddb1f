// What a Device says when the chip is absent, forbidden, busy, locked or dead.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contract/tpm_rig.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::tpm {
namespace {

using test::Must;
using test::RandomKeySecret;
using test::TempDir;
using test::TpmRig;
using testing::HasSubstr;

// What opening `tcti` gives a user without rights, as "<name>|<code>|<text>"; empty when it opens.
std::string OpenAsNobody(const std::string& tcti) {
  int pipe_fds[2];
  if (pipe(pipe_fds) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    // Not root: then chmod 000 stops us as it is.
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(1);
    const auto device = Device::Open(tcti);
    std::string report;
    if (!device) {
      const Error& error = device.error();
      report = error.name + "|" + std::string(CodeName(error.code)) + "|" + error.text + "|" +
               error.advice;
    }
    _exit(write(pipe_fds[1], report.data(), report.size()) < 0 ? 1 : 0);
  }
  close(pipe_fds[1]);
  char buffer[2048];
  const ssize_t size = read(pipe_fds[0], buffer, sizeof(buffer));
  close(pipe_fds[0]);
  waitpid(child, nullptr, 0);
  return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
}

TEST(TpmOpen, SaysThatThereIsNoSuchDevice) {
  const auto device = Device::Open("device:/nonexistent/tpmrm0");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().name, "tpm-absent");
  EXPECT_EQ(device.error().code, Code::kHardware);
  EXPECT_THAT(device.error().text, HasSubstr("/nonexistent/tpmrm0"));
  EXPECT_THAT(device.error().text, HasSubstr("No such file"));
  EXPECT_THAT(device.error().advice, HasSubstr("driver"));
  ASSERT_TRUE(device.error().detail);
  EXPECT_EQ(device.error().detail->source, Detail::Source::kTss);
}

TEST(TpmOpen, SaysThatNothingListensAtASocket) {
  const TempDir directory;
  const auto device = Device::Open("swtpm:path=" + (directory / "none.sock"));
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().name, "tpm-absent");
  EXPECT_EQ(device.error().code, Code::kHardware);
}

TEST(TpmOpen, WritesNothingItself) {
  testing::internal::CaptureStderr();
  EXPECT_FALSE(Device::Open("device:/nonexistent/tpmrm0"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// Threads may be reading it by then: a list that moves under them ends the process.
TEST(TpmOpen, LeavesTheEnvironmentAloneOnceTheLibraryIsSilenced) {
  SilenceTss();
  char** const before = environ;
  EXPECT_FALSE(Device::Open("device:/nonexistent/tpmrm0"));
  EXPECT_EQ(environ, before);
  EXPECT_STREQ(getenv("TSS2_LOG"), "all+NONE");
}

TEST(TpmOpen, SaysThatTheTctiIsUnknown) {
  const auto device = Device::Open("no-such-tcti:/dev/null");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code, Code::kHardware);
  EXPECT_THAT(device.error().text, HasSubstr("no-such-tcti"));
}

TEST(TpmOpen, SaysThatTheUserMayNotUseTheDevice) {
  const TempDir directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
  const std::string path = directory / "tpmrm0";
  Must(test::WriteText(path, ""));
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  const std::string report = OpenAsNobody("device:" + path);
  EXPECT_THAT(report, HasSubstr("tpm-permission|hardware|"));
  EXPECT_THAT(report, HasSubstr(path));
  EXPECT_THAT(report, HasSubstr("Permission denied"));
  EXPECT_THAT(report, HasSubstr("group tss"));
}

TEST(TpmOpen, SaysThatTheUserMayNotUseTheSocket) {
  TpmRig rig;
  ASSERT_EQ(chmod(rig.tpm().directory.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod((rig.tpm().directory / "tpm").c_str(), 0755), 0);
  ASSERT_EQ(chmod(rig.swtpm().socket_path().c_str(), 0), 0);
  EXPECT_THAT(OpenAsNobody(rig.swtpm().tcti()), HasSubstr("tpm-permission|hardware|"));
}

TEST(TpmSession, MethodsThatNeedItFailWithoutACommand) {
  TpmRig rig;
  const LoadedKey ek = Must(rig.device().CreateEk(test::EkNamed("p256-l2")));
  const Credential credential =
      Must(MakeCredential(ek.area, ek.area.name(), crypto::Secret::Random(32)));
  const size_t commands = rig.Count([&] {
    const auto key =
        rig.device().CreatePrimary(ESYS_TR_RH_NULL, NodeKeyTemplate(), RandomKeySecret());
    const auto quote = rig.device().Quote(ek, {{crypto::HashAlg::kSha256, 1}}, {});
    const auto certified = rig.device().Certify(ek, ek, {});
    const auto signature = rig.device().SignDigest(ek, Bytes(32));
    const auto released =
        rig.device().ActivateCredential(ek, ek, test::EkNamed("p256-l2"), credential);
    EXPECT_EQ(key.error().code, Code::kInternal);
    EXPECT_EQ(quote.error().code, Code::kInternal);
    EXPECT_EQ(certified.error().code, Code::kInternal);
    EXPECT_EQ(signature.error().code, Code::kInternal);
    EXPECT_EQ(released.error().code, Code::kInternal);
  });
  EXPECT_EQ(commands, 0u);
}

class TpmTransient : public testing::TestWithParam<TSS2_RC> {};

INSTANTIATE_TEST_SUITE_P(Codes, TpmTransient,
                         testing::Values(TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING,
                                         TPM2_RC_NV_RATE),
                         [](const auto& instance) {
                           return "Rc" + std::to_string(instance.param);
                         });

TEST_P(TpmTransient, RefusalsAreWaitedOut) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey node = rig.NodeKey(RandomKeySecret());
  rig.probe().Reset();
  rig.probe().fault = [](size_t index, uint32_t) { return index < 7 ? GetParam() : 0; };
  EXPECT_TRUE(rig.device().SignDigest(node, Bytes(32, 1)));
  EXPECT_EQ(rig.probe().traffic().commands, 8u);
  EXPECT_THAT(rig.probe().traffic().codes, testing::Each(TPM2_CC_Sign));
}

struct Refusal {
  TSS2_RC rc;
  std::string_view name;
  Code code;
};

class TpmRefusal : public testing::TestWithParam<Refusal> {};

INSTANTIATE_TEST_SUITE_P(
    Codes, TpmRefusal,
    testing::Values(Refusal{TPM2_RC_LOCKOUT, "tpm-lockout", Code::kHardware},
                    Refusal{TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1, "tpm-auth", Code::kHardware},
                    Refusal{TPM2_RC_BAD_AUTH | TPM2_RC_S | TPM2_RC_1, "tpm-auth", Code::kHardware},
                    Refusal{TPM2_RC_SESSION_MEMORY, "tpm-busy", Code::kUnavailable},
                    Refusal{TPM2_RC_OBJECT_MEMORY, "tpm-busy", Code::kUnavailable},
                    Refusal{TPM2_RC_REFERENCE_S0, "tpm-failed", Code::kHardware},
                    Refusal{TPM2_RC_FAILURE, "tpm-failed", Code::kHardware}),
    [](const auto& instance) { return "Rc" + std::to_string(instance.param.rc); });

TEST_P(TpmRefusal, IsNamedOnceAndNotTriedAgain) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey ak = rig.Ak(RandomKeySecret());
  rig.probe().Reset();
  rig.probe().fault = [](size_t, uint32_t) { return GetParam().rc; };
  const auto quote = rig.device().Quote(ak, {{crypto::HashAlg::kSha256, 0x3ff}}, {});
  rig.probe().fault = nullptr;
  EXPECT_EQ(rig.probe().traffic().commands, 1u);
  ASSERT_FALSE(quote);
  EXPECT_EQ(quote.error().name, GetParam().name);
  EXPECT_EQ(quote.error().code, GetParam().code);
  EXPECT_FALSE(quote.error().advice.empty());
  EXPECT_THAT(quote.error().text, testing::StartsWith("quote PCRs sha256:0-9: "));
  EXPECT_EQ(quote.error().detail->number, GetParam().rc);
  // The session survives a refusal.
  EXPECT_TRUE(rig.device().Quote(ak, {{crypto::HashAlg::kSha256, 1}}, {}));
}

TEST(TpmDeath, OfTheDeviceBetweenCommandsIsNamed) {
  TpmRig rig;
  const LoadedKey ek = rig.EkWithSession();
  const LoadedKey ak = rig.Ak(RandomKeySecret());
  rig.swtpm().Kill();
  const auto quote = rig.device().Quote(ak, {{crypto::HashAlg::kSha256, 1}}, {});
  ASSERT_FALSE(quote);
  EXPECT_EQ(quote.error().name, "tpm-absent");
  EXPECT_EQ(quote.error().code, Code::kHardware);
  EXPECT_FALSE(quote.error().advice.empty());
}

TEST(TpmDeath, OfTheDeviceBeforeASessionIsNamed) {
  TpmRig rig;
  rig.swtpm().Kill();
  for (int i = 0; i < 2; ++i) {
    const auto clock = rig.device().ReadClock();
    ASSERT_FALSE(clock);
    EXPECT_EQ(clock.error().name, "tpm-absent");
  }
}

TEST(TpmReset, BeneathAnOpenDeviceIsAnErrorAndOpeningAgainHelps) {
  TpmRig rig;
  {
    const LoadedKey ek = rig.EkWithSession();
    const LoadedKey ak = rig.Ak(RandomKeySecret());
    Must(rig.swtpm().PowerCycle());
    const auto quote = rig.device().Quote(ak, {{crypto::HashAlg::kSha256, 1}}, {});
    ASSERT_FALSE(quote);
    EXPECT_EQ(quote.error().code, Code::kHardware);
  }
  rig.Reopen();
  const LoadedKey ek = rig.EkWithSession();
  EXPECT_TRUE(rig.device().HasSession());
}

TEST(TpmProbeFault, ReachesTheCallerInTheTpmsPlace) {
  TpmRig rig;
  rig.probe().fault = [](size_t index, uint32_t code) {
    return index == 1 && code == TPM2_CC_GetCapability ? TPM2_RC_FAILURE : 0;
  };
  EXPECT_FALSE(rig.device().ReadProperties());
  EXPECT_EQ(rig.probe().traffic().commands, 2u);
  EXPECT_THAT(rig.probe().traffic().codes, testing::Each(TPM2_CC_GetCapability));
}

}  // namespace
}  // namespace lodekey::tpm
