#include "agent/local_server.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>

#include "agent/grpc_refusal.h"
#include "lodekey/agent/v1/agent_service.grpc.pb.h"
#include "platform/log.h"
#include "platform/peer_map.h"
#include "platform/unix_listener.h"

namespace lodekey::agent {
namespace {

namespace api = lodekey::agent::v1;

class Service final : public api::AgentService::CallbackService {
 public:
  Service(Agent& agent, const WorkloadInspection& inspection, const platform::PeerMap& peers)
      : agent_(agent), inspection_(inspection), peers_(peers) {}

 private:
  // The socket's mode says who may call; a call from a connection that we did not accept ourselves
  // is denied. `ask` gets the caller, whose reply ends the call; it must not block, since gRPC has
  // few threads to call us on.
  template <class T, class Ask>
  grpc::ServerUnaryReactor* Call(grpc::CallbackServerContext* context, T* response, Ask ask) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (peers_.Find(context->peer())) {
      ask(Caller<T>{.reply =
                        [=](Result<T> result) {
                          if (!result) return reactor->Finish(Refuse(*context, result.error()));
                          *response = *std::move(result);
                          reactor->Finish(grpc::Status::OK);
                        },
                    .gone = [context] { return context->IsCancelled(); }});
    } else {
      reactor->Finish({grpc::StatusCode::PERMISSION_DENIED, "the caller is unknown"});
    }
    return reactor;
  }

  grpc::ServerUnaryReactor* ShowStatus(grpc::CallbackServerContext* context,
                                       const api::ShowStatusRequest*,
                                       api::Status* response) override {
    return Call(context, response,
                [&](const Caller<api::Status>& caller) { caller.reply(agent_.ShowStatus()); });
  }
  grpc::ServerUnaryReactor* Enroll(grpc::CallbackServerContext* context, const api::EnrollRequest*,
                                   api::EnrollResponse* response) override {
    return Call(context, response, [&](auto caller) { agent_.Enroll(std::move(caller)); });
  }
  grpc::ServerUnaryReactor* Unenroll(grpc::CallbackServerContext* context,
                                     const api::UnenrollRequest*,
                                     api::EnrollResponse* response) override {
    return Call(context, response, [&](auto caller) { agent_.Unenroll(std::move(caller)); });
  }
  grpc::ServerUnaryReactor* Attest(grpc::CallbackServerContext* context,
                                   const api::AttestNowRequest*,
                                   api::AttestNowResponse* response) override {
    return Call(context, response, [&](auto caller) { agent_.AttestNow(std::move(caller)); });
  }
  grpc::ServerUnaryReactor* ShowBundle(grpc::CallbackServerContext* context,
                                       const api::ShowBundleRequest*,
                                       api::ShowBundleResponse* response) override {
    return Call(context, response, [&](const Caller<api::ShowBundleResponse>& caller) {
      caller.reply(agent_.ShowBundle());
    });
  }

  grpc::ServerUnaryReactor* InspectWorkload(grpc::CallbackServerContext* context,
                                            const api::InspectWorkloadRequest* request,
                                            api::Workload* response) override {
    return Call(context, response, [&](const Caller<api::Workload>& caller) {
      inspection_.Inspect(request->pid(), caller.reply);
    });
  }

  Agent& agent_;
  const WorkloadInspection& inspection_;
  const platform::PeerMap& peers_;
};

class Front final : public LocalServer {
 public:
  ~Front() override {
    if (listener_) listener_->Stop();
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  }

  Result<void> Start(Agent& agent, const WorkloadInspection& inspection, const std::string& socket,
                     const std::string& group) {
    ASSIGN_OR_RETURN(peers_, platform::PeerMap::Create(), "local API");
    service_ = std::make_unique<Service>(agent, inspection, *peers_);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    builder.SetMaxReceiveMessageSize(64 << 10);
    server_ = builder.BuildAndStart();
    if (!server_) return Fail(Code::kInternal, "cannot start the local API");
    ASSIGN_OR_RETURN(listener_,
                     platform::UnixListener::Create(
                         socket, group.empty() ? 0600 : 0660, group,
                         [this](platform::UniqueFd fd, platform::Peer peer) {
                           if (!platform::Remember(*peers_, fd.get(), std::move(peer))) return;
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

Result<std::unique_ptr<LocalServer>> LocalServer::Start(Agent& agent,
                                                        const WorkloadInspection& inspection,
                                                        const std::string& socket,
                                                        const std::string& group) {
  auto front = std::make_unique<Front>();
  RETURN_IF_ERROR(front->Start(agent, inspection, socket, group), "serve the local API");
  return std::unique_ptr<LocalServer>(std::move(front));
}

}  // namespace lodekey::agent
