// The mux that lets several programs use one emulator.
#include <thread>

#include <gtest/gtest.h>

#include "tests/contract/tpm_rig.h"
#include "tests/support/swtpm_process.h"
#include "tests/support/unix_socket.h"

namespace lodekey::test {
namespace {

using tpm::Device;

TEST(TpmMux, ServesTwoDevicesWithOpenSessionsAtOnce) {
  const auto tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  const auto first = Must(Device::Open(tpm->MuxTcti()));
  const auto second = Must(Device::Open(tpm->MuxTcti()));
  const auto ek = Must(first->CreateEk(EkNamed("p256-l2")));
  Must(first->StartSession(ek));
  Must(second->ExtendPcr(14, {{crypto::HashAlg::kSha256, Bytes(32, 1)}}));
  const Bytes seen = Must(first->ReadPcrs(crypto::HashAlg::kSha256, 1u << 14)).values.at(14);
  EXPECT_EQ(seen, tpm::ExtendPcr(crypto::HashAlg::kSha256, Bytes(32), Bytes(32, 1)));
  EXPECT_TRUE(first->HasSession());
}

TEST(TpmMux, ServesManyThreads) {
  const auto tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  const std::string tcti = tpm->MuxTcti();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto device = Device::Open(tcti);
      ASSERT_TRUE(device) << device.error().text;
      for (int n = 0; n < 25; ++n) {
        EXPECT_TRUE((*device)->ExtendPcr(14, {{crypto::HashAlg::kSha256, Bytes(32, 1)}}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Bytes expected(32);
  for (int n = 0; n < 100; ++n) {
    expected = tpm::ExtendPcr(crypto::HashAlg::kSha256, expected, Bytes(32, 1));
  }
  const auto device = Must(Device::Open(tcti));
  EXPECT_EQ(Must(device->ReadPcrs(crypto::HashAlg::kSha256, 1u << 14)).values.at(14), expected);
}

TEST(TpmMux, SurvivesAPowerCycleOfTheTpm) {
  const auto tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  const std::string tcti = tpm->MuxTcti();
  const auto before = Must(Must(Device::Open(tcti))->ReadClock());
  tpm->swtpm->Kill();
  const auto device = Must(Device::Open(tcti));
  const auto dead = device->ReadClock();
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().name, "tpm-absent");
  Must(tpm->swtpm->Restart());
  EXPECT_EQ(Must(Must(Device::Open(tcti))->ReadClock()).reset_count, before.reset_count + 1);
}

TEST(TpmMux, DropsAClientThatSendsNoCommandAndServesOthers) {
  const auto tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  const std::string tcti = tpm->MuxTcti();
  const Fd junk = Must(ConnectUnix(tcti.substr(tcti.find('=') + 1)));
  const auto answer = ExchangeTpm(junk.get(), Bytes(64, 0xff), /*timeout_ms=*/20000);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_TRUE(Must(Device::Open(tcti))->ReadClock());
}

TEST(TpmMux, RefusesControlCommandsThatTouchOthers) {
  const auto tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  const std::string tcti = tpm->MuxTcti();
  const Fd control = Must(ConnectUnix(tcti.substr(tcti.find('=') + 1) + ".ctrl"));
  const uint8_t shutdown[] = {0, 0, 0, 3};
  Must(SendAll(control.get(), shutdown));
  uint8_t result[4] = {};
  ASSERT_EQ(read(control.get(), result, sizeof(result)), 4);
  EXPECT_NE(result[3], 0);
  EXPECT_TRUE(Must(Device::Open(tcti))->ReadClock());
}

// Other programs reach the TPM as the agent does.
TEST(TpmMux, ServesTpm2Tools) {
  const auto tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  const std::string tcti = tpm->MuxTcti();
  const auto device = Must(Device::Open(tcti));
  const std::string digest(64, '1');
  auto tool = Must(ChildProcess::Spawn({"tpm2_pcrextend", "-T", tcti, "14:sha256=" + digest},
                                       tpm->directory / "tool.log"));
  const auto ended = tool.Wait();
  if (!ended && ended.error().text.find("0x7f00") != std::string::npos) {
    GTEST_SKIP() << "tpm2-tools is not installed";
  }
  ASSERT_TRUE(ended) << ended.error().text;
  EXPECT_EQ(Must(device->ReadPcrs(crypto::HashAlg::kSha256, 1u << 14)).values.at(14),
            tpm::ExtendPcr(crypto::HashAlg::kSha256, Bytes(32), Bytes(32, 0x11)));
}

}  // namespace
}  // namespace lodekey::test
