// Strangers at the real issuer's port: its memory stays bounded, and who is known is served.
#include "tests/e2e/stranger.h"

#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/e2e/proxy.h"
#include "tests/issuer/host.h"

namespace lodekey::test {
namespace {

// AddressSanitizer keeps freed memory in quarantine (256 MiB) before it is used again.
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kQuarantineKib = 256 * 1024;
#else
constexpr size_t kQuarantineKib = 0;
#endif

class Strangers : public DeploymentTest {};
class WireAttack : public DeploymentTest {};

TEST_F(Strangers, AThousandEnrolmentsASecondKeepNeitherANodeNorANewcomerOut) {
  SetUpIssuer({}, /*ek_certificate=*/false);
  // Hosts of ours have an address of their own.
  Proxy ours(issuer_->port, "127.0.0.2");
  SetUpAgent(ours.address());
  Enrol();
  const std::unique_ptr<TestTpm> tpm = TestTpm::Create(/*certificate=*/false);
  ASSERT_NE(tpm, nullptr);
  AgentHost newcomer(ours.address(), issuer_->pin(), tpm->MuxTcti());
  ASSERT_EQ(issuer_->Admin({"node", "allow", newcomer.EkHash()}).exit_code, 0);

  const size_t before = issuer_->daemon.PeakKib();
  {
    // Several connections, since one carries a limited number of calls.
    const Flood flood(std::vector<std::string>(8, issuer_->address()), Host().Start(), 1000);
    ASSERT_TRUE(Eventually([&] { return flood.limited() > 500; }));
    newcomer.Start();
    EXPECT_TRUE(newcomer.WaitForPhase("enrolled")) << newcomer.daemon.Log();
    EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
    EXPECT_TRUE(agent_->WaitForAttestation()) << agent_->daemon.Log();
    EXPECT_EQ(agent_->Status().value("health", ""), "green");
    EXPECT_GT(flood.limited(), 1000u);
    EXPECT_GT(flood.answered(), flood.limited())
        << "some were judged, and refused by the inventory";
  }
  EXPECT_LT(issuer_->daemon.PeakKib(), before + kQuarantineKib + 32 * 1024);
  EXPECT_EQ(issuer_->AdminJson({"node", "list"})["nodes"].size(), 2u)
      << "strangers leave nothing in the database";
}

// A compressed bomb: 64 MiB in 64 KiB.
TEST_F(WireAttack, A117) {
  SetUpIssuer({}, /*ek_certificate=*/false);
  const auto stranger = StrangerStub(issuer_->address());
  const auto start = [&](const node::StartEnrolmentRequest& request,
                         grpc_compression_algorithm compression) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    context.set_compression_algorithm(compression);
    node::StartEnrolmentResponse response;
    return stranger->StartEnrolment(&context, request, &response).error_code();
  };
  const auto twin = start({}, GRPC_COMPRESS_NONE);
  EXPECT_EQ(twin, grpc::StatusCode::INVALID_ARGUMENT) << "judged: it has no endorsement key";
  node::StartEnrolmentRequest bomb;
  bomb.set_ak_public(std::string(size_t{64} << 20, '\0'));
  const size_t before = issuer_->daemon.PeakKib();
  EXPECT_EQ(start(bomb, GRPC_COMPRESS_GZIP), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(start(bomb, GRPC_COMPRESS_DEFLATE), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_LT(issuer_->daemon.PeakKib(), before + kQuarantineKib + 16 * 1024);
  EXPECT_EQ(start({}, GRPC_COMPRESS_NONE), twin);
}

}  // namespace
}  // namespace lodekey::test
