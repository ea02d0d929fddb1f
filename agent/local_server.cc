#include "agent/local_server.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>

#include "base/grpc_status.h"
#include "lodekey/agent/v1/agent_service.grpc.pb.h"
#include "platform/log.h"
#include "platform/peer_map.h"
#include "platform/unix_listener.h"

namespace lodekey::agent {
namespace {

namespace api = lodekey::agent::v1;

// Header values are ASCII on one line.
std::string HeaderText(const std::string& text) {
  std::string safe;
  for (const char c : text) safe.push_back(c >= 0x20 && c < 0x7f ? c : ' ');
  return safe;
}

class Service final : public api::AgentService::Service {
 public:
  Service(Agent& agent, const platform::PeerMap& peers) : agent_(agent), peers_(peers) {}

 private:
  // The socket's mode says who may call; a call from a connection that we did not accept ourselves
  // is denied.
  template <class T, class Body>
  grpc::Status Call(grpc::ServerContext* context, T* response, Body body) {
    if (!peers_.Find(context->peer()))
      return {grpc::StatusCode::PERMISSION_DENIED, "the caller is unknown"};
    Result<T> result = body();
    if (result) {
      *response = *std::move(result);
      return grpc::Status::OK;
    }
    context->AddTrailingMetadata("lodekey-error", HeaderText(std::string(result.error().Name())));
    context->AddTrailingMetadata("lodekey-advice", HeaderText(result.error().advice));
    return {static_cast<grpc::StatusCode>(GrpcStatusOf(result.error().code)), result.error().text};
  }

  grpc::Status ShowStatus(grpc::ServerContext* context, const api::ShowStatusRequest*,
                          api::Status* response) override {
    return Call(context, response, [&]() -> Result<api::Status> { return agent_.ShowStatus(); });
  }
  grpc::Status Enroll(grpc::ServerContext* context, const api::EnrollRequest*,
                      api::EnrollResponse* response) override {
    return Call(context, response, [&] { return agent_.Enroll(); });
  }
  grpc::Status Unenroll(grpc::ServerContext* context, const api::UnenrollRequest*,
                        api::EnrollResponse* response) override {
    return Call(context, response, [&] { return agent_.Unenroll(); });
  }
  grpc::Status Attest(grpc::ServerContext* context, const api::AttestNowRequest*,
                      api::AttestNowResponse* response) override {
    return Call(context, response, [&]() -> Result<api::AttestNowResponse> {
      api::AttestNowResponse message;
      ASSIGN_OR_RETURN(*message.mutable_status(), agent_.AttestNow(), "attest now");
      return message;
    });
  }
  grpc::Status ShowBundle(grpc::ServerContext* context, const api::ShowBundleRequest*,
                          api::ShowBundleResponse* response) override {
    return Call(context, response,
                [&]() -> Result<api::ShowBundleResponse> { return agent_.ShowBundle(); });
  }

  Agent& agent_;
  const platform::PeerMap& peers_;
};

class Front final : public LocalServer {
 public:
  ~Front() override {
    if (listener_) listener_->Stop();
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  }

  Result<void> Start(Agent& agent, const std::string& socket, const std::string& group) {
    ASSIGN_OR_RETURN(peers_, platform::PeerMap::Create(), "local API");
    service_ = std::make_unique<Service>(agent, *peers_);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    builder.SetMaxReceiveMessageSize(64 << 10);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 1);
    grpc::ResourceQuota quota("lodekeyd-local");
    quota.SetMaxThreads(8);
    builder.SetResourceQuota(quota);
    server_ = builder.BuildAndStart();
    if (!server_) return Fail(Code::kInternal, "cannot start the local API");
    ASSIGN_OR_RETURN(listener_,
                     platform::UnixListener::Create(
                         socket, group.empty() ? 0600 : 0660, group,
                         [this](platform::UniqueFd fd, platform::Peer peer) {
                           if (!peers_->Add(fd.get(), std::move(peer))) return;
                           grpc::AddInsecureChannelFromFd(server_.get(), fd.release());
                         }),
                     "local API");
    return {};
  }

 private:
  std::unique_ptr<platform::PeerMap> peers_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<platform::UnixListener> listener_;
};

}  // namespace

Result<std::unique_ptr<LocalServer>> LocalServer::Start(Agent& agent, const std::string& socket,
                                                        const std::string& group) {
  auto front = std::make_unique<Front>();
  RETURN_IF_ERROR(front->Start(agent, socket, group), "serve the local API");
  return std::unique_ptr<LocalServer>(std::move(front));
}

}  // namespace lodekey::agent
