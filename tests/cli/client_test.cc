// The two clients against servers on unix sockets.
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "cli/admin_client.h"
#include "cli/agent_client.h"
#include "cli/socket_probe.h"
#include "lodekey/admin/v1/admin_service.grpc.pb.h"
#include "lodekey/agent/v1/agent_service.grpc.pb.h"
#include "tests/platform/scratch.h"

namespace lodekey::cli {
namespace {

using platform::ScratchDir;

// Answers every call with one status, and notes what it was asked.
class Agent final : public agent::v1::AgentService::Service {
 public:
  grpc::Status answer;
  std::vector<std::pair<std::string, std::string>> trailers;
  int64_t timeout_ms = 0;

 private:
  grpc::Status Answer(grpc::ServerContext* context) {
    for (const auto& [name, value] : trailers) context->AddTrailingMetadata(name, value);
    return answer;
  }
  grpc::Status ShowStatus(grpc::ServerContext* context, const agent::v1::ShowStatusRequest*,
                          agent::v1::Status* status) override {
    status->set_phase("enrolled");
    return Answer(context);
  }
  grpc::Status Enroll(grpc::ServerContext* context, const agent::v1::EnrollRequest* request,
                      agent::v1::EnrollResponse*) override {
    timeout_ms = request->timeout_ms();
    // Until the client hangs up.
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  }
};

class Issuer final : public admin::v1::AdminService::Service {
  grpc::Status ShowNode(grpc::ServerContext*, const admin::v1::NodeRequest* request,
                        admin::v1::Node* node) override {
    node->set_id(request->node());
    return grpc::Status::OK;
  }
};

class Client : public testing::Test {
 protected:
  // Serves at a path with characters that mean something in a URI.
  template <class Service>
  std::string Serve(Service& service) {
    const std::string directory = scratch_ / "50%25 #1?";
    std::filesystem::create_directories(directory);
    std::filesystem::current_path(directory);
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    builder.AddListeningPort("unix:s", grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    return directory + "/s";
  }
  void TearDown() override {
    if (server_) server_->Shutdown();
    std::filesystem::current_path("/");
  }

  ScratchDir scratch_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(Client, AsksTheAgent) {
  Agent agent;
  const auto status = ConnectAgent(Serve(agent))->ShowStatus();
  ASSERT_TRUE(status) << status.error().text;
  EXPECT_EQ(status->phase(), "enrolled");
}

TEST_F(Client, AsksTheIssuer) {
  Issuer issuer;
  const auto node = ConnectAdmin(Serve(issuer))->ShowNode("aaaaaaaa");
  ASSERT_TRUE(node) << node.error().text;
  EXPECT_EQ(node->id(), "aaaaaaaa");
}

TEST_F(Client, ReturnsTheServersErrorByItsTrailers) {
  Agent agent;
  agent.answer = {grpc::StatusCode::PERMISSION_DENIED, "refused\x1b[2J"};
  agent.trailers = {{"lodekey-error", "pcr-changed-in-boot"}, {"lodekey-advice", "Reboot."}};
  const auto status = ConnectAgent(Serve(agent))->ShowStatus();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kDenied);
  EXPECT_EQ(status.error().Name(), "pcr-changed-in-boot");
  EXPECT_EQ(status.error().text, "refused\\x1b[2J");
  EXPECT_EQ(status.error().advice, "Reboot.");
}

TEST_F(Client, MapsEveryStatusToItsCode) {
  Agent agent;
  agent.trailers = {{"lodekey-error", "x"}};
  const auto client = ConnectAgent(Serve(agent));
  const std::vector<std::pair<grpc::StatusCode, Code>> pairs = {
      {grpc::StatusCode::INVALID_ARGUMENT, Code::kInvalidArgument},
      {grpc::StatusCode::NOT_FOUND, Code::kNotFound},
      {grpc::StatusCode::ABORTED, Code::kConflict},
      {grpc::StatusCode::UNAUTHENTICATED, Code::kUntrusted},
      {grpc::StatusCode::PERMISSION_DENIED, Code::kDenied},
      {grpc::StatusCode::UNAVAILABLE, Code::kUnavailable},
      {grpc::StatusCode::FAILED_PRECONDITION, Code::kTimeout},
      {grpc::StatusCode::INTERNAL, Code::kInternal}};
  for (const auto& [status, code] : pairs) {
    agent.answer = {status, "text"};
    EXPECT_EQ(client->ShowStatus().error().code, code) << status;
  }
}

TEST_F(Client, GivesAnErrorWithoutTrailersTheNameOfItsCode) {
  Agent agent;
  agent.answer = {grpc::StatusCode::PERMISSION_DENIED, "the caller is unknown"};
  const auto status = ConnectAgent(Serve(agent))->ShowStatus();
  EXPECT_EQ(status.error().Name(), "denied");
  EXPECT_EQ(status.error().text, "lodekeyd answered: the caller is unknown");
}

TEST_F(Client, SaysThatACallIsNotOffered) {
  Agent agent;
  const auto unenroll = ConnectAgent(Serve(agent))->Unenroll();
  ASSERT_FALSE(unenroll);
  EXPECT_EQ(unenroll.error().code, Code::kInternal);
}

TEST_F(Client, StopsWaitingAtItsLimit) {
  Agent agent;
  const auto enroll = ConnectAgent(Serve(agent))->Enroll(Duration(50));
  ASSERT_FALSE(enroll);
  EXPECT_EQ(enroll.error().Name(), "agent-timeout");
  EXPECT_EQ(agent.timeout_ms, 50);
}

TEST_F(Client, SaysThatNoAgentIsThereAndHowToStartOne) {
  const std::string path = scratch_ / "agent.sock";
  const auto status = ConnectAgent(path)->ShowStatus();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().Name(), "agent-unreachable");
  EXPECT_NE(status.error().text.find(path), std::string::npos);
  EXPECT_NE(status.error().text.find("No such file"), std::string::npos) << status.error().text;
  EXPECT_EQ(status.error().advice, "Start lodekeyd");
}

TEST_F(Client, SaysThatTheAgentIsGoneWhenItsSocketIsLeft) {
  Agent agent;
  const std::string path = Serve(agent);
  std::filesystem::rename(path, scratch_ / "left");
  server_->Shutdown();
  const auto status = ConnectAgent(scratch_ / "left")->ShowStatus();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().Name(), "agent-unreachable");
  EXPECT_NE(status.error().text.find("nothing listens at"), std::string::npos)
      << status.error().text;
}

TEST_F(Client, SaysThatTheIssuerIsNotHere) {
  const auto node = ConnectAdmin(scratch_ / "admin.sock")->ShowNode("aaaaaaaa");
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().Name(), "admin-unreachable");
  EXPECT_NE(node.error().advice.find("on the issuer's host as root"), std::string::npos);
}

TEST_F(Client, SaysThatASocketsPathIsTooLong) {
  const auto probe = ProbeUnixSocket(std::string(200, 'x'));
  ASSERT_FALSE(probe);
  EXPECT_NE(probe.error().text.find("longer than a socket's path"), std::string::npos);
  EXPECT_EQ(ConnectAgent(std::string(200, 'x'))->ShowStatus().error().Name(), "agent-unreachable");
}

}  // namespace
}  // namespace lodekey::cli
