#include "issuer/server.h"

#include <chrono>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_posix.h>

#include "issuer/admin_service.h"
#include "issuer/connections.h"
#include "issuer/entry_feed.h"
#include "issuer/node_service.h"
#include "issuer/server_credentials.h"
#include "issuer/work_pool.h"
#include "platform/log.h"
#include "platform/peer_map.h"
#include "platform/unix_listener.h"

namespace lodekey::issuer {
namespace {

// An Attest with a boot log of 1 MiB and an IMA chunk of 1 MiB, and room for the rest; an
// operator's thousand entries, unless they name nodes by the hundred.
constexpr int kMaxMessage = 4 << 20;
constexpr int kMaxStreams = 16;
constexpr size_t kMaxMemory = size_t{512} << 20;
constexpr int kHandshakeMs = 10'000;
constexpr int kConnectionAgeMs =
    30 * 60 * 1000;  // a revoked node keeps no connection longer than this
constexpr int kConnectionGraceMs = 60 * 1000;  // also the longest that an upload may take
constexpr int kIdleMs = 20 * 60 * 1000;
// A stream on which nothing is said keeps its place in the tables of what lies between, and a peer
// that is gone is noticed.
constexpr int kPingMs = 60 * 1000;
constexpr int kPingAnswerMs = 20 * 1000;
constexpr int kLeastPeerPingMs = 10 * 1000;
// A node that is removed hears why on its stream before its connection is shut.
constexpr Duration kFarewell = std::chrono::seconds(1);

void BoundMessages(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  // A compressed message may be a bomb, and nothing we exchange is worth compressing.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
}

void SetLimits(grpc::ServerBuilder& builder) {
  BoundMessages(builder);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kConnectionGraceMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kLeastPeerPingMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16384);
  // Two servers on one port would share the connections between them; a second one is a mistake.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("lodekey-issuer");
  quota.Resize(kMaxMemory);
  builder.SetResourceQuota(quota);
}

class Fronts final : public Server {
 public:
  explicit Fronts(Context& context) : context_(context), feed_(context) {
    context_.entries_changed = [this](const auto& ids) { feed_.EntriesChanged(ids); };
    context_.node_changed = [this](const NodeId& node) { feed_.NodeChanged(node); };
  }
  ~Fronts() override {
    if (listener_) listener_->Stop();
    feed_.Stop();  // no call outlives it for long
    pool_.Stop();  // and what waits is refused before the servers wait for it
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(5);
    if (nodes_) nodes_->Shutdown(deadline);
    if (admins_) admins_->Shutdown(deadline);
    // With their servers go the last calls: nobody tells of changes any more.
    nodes_.reset();
    admins_.reset();
    context_.entries_changed = [](const auto&) {};
    context_.node_changed = [](const auto&) {};
  }

  Result<void> Start() {
    RETURN_IF_ERROR(StartNodes(), "listen for agents");
    return StartAdmins();
  }
  Result<void> Refresh(Time now) override {
    feed_.BundleChanged();  // perhaps; the same again is not sent
    return credentials_->Refresh(now);
  }
  int port() const override { return port_; }

 private:
  Result<void> StartNodes();
  Result<void> StartAdmins();

  Context& context_;
  EntryFeed feed_;
  Connections connections_{[this](const NodeId& node) { feed_.AwaitEnd(node, kFarewell); }};
  WorkPool pool_;
  std::unique_ptr<platform::PeerMap> peers_;
  std::unique_ptr<grpc::Service> node_service_;
  std::unique_ptr<grpc::Service> admin_service_;
  int port_ = 0;
  // gRPC's core asks them at each handshake, and does not keep them alive.
  std::shared_ptr<RotatingCredentials> credentials_;
  std::unique_ptr<grpc::Server> nodes_;
  std::unique_ptr<grpc::Server> admins_;
  std::unique_ptr<platform::UnixListener> listener_;
};

Result<void> Fronts::StartNodes() {
  ASSIGN_OR_RETURN(credentials_, RotatingCredentials::Create(context_.authority, context_.now()),
                   "TLS");
  node_service_ = MakeNodeService(context_, connections_, feed_, pool_);
  grpc::ServerBuilder builder;
  SetLimits(builder);
  const std::string address = platform::FormatHostPort(context_.config.listen);
  builder.AddListeningPort(address, credentials_, &port_);
  builder.RegisterService(node_service_.get());
  nodes_ = builder.BuildAndStart();
  if (nodes_ && port_ != 0) return {};
  return Fail(
      Code::kConflict, fmt::format("cannot listen on {}", address),
      {.name = "address-in-use",
       .advice = "See what listens there (ss -ltnp), or set another 'listen' in issuer.toml."});
}

Result<void> Fronts::StartAdmins() {
  ASSIGN_OR_RETURN(peers_, platform::PeerMap::Create(), "admin socket");
  admin_service_ = MakeAdminService(context_, connections_, *peers_);
  grpc::ServerBuilder builder;
  BoundMessages(builder);
  builder.RegisterService(admin_service_.get());
  // The few calls of operators may block; agents' calls never wait for them.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  admins_ = builder.BuildAndStart();
  if (!admins_) return Fail(Code::kInternal, "cannot start the admin service");
  const mode_t mode = context_.config.admin_group.empty() ? 0600 : 0660;
  ASSIGN_OR_RETURN(listener_,
                   platform::UnixListener::Create(
                       context_.config.admin_socket, mode, context_.config.admin_group,
                       [this](platform::UniqueFd fd, platform::Peer peer) {
                         if (!platform::Remember(*peers_, fd.get(), std::move(peer))) return;
                         grpc::AddInsecureChannelFromFd(admins_.get(), fd.release());
                       }),
                   "admin socket");
  return {};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(Context& context) {
  auto fronts = std::make_unique<Fronts>(context);
  RETURN_IF_ERROR(fronts->Start(), "start the servers");
  return std::unique_ptr<Server>(std::move(fronts));
}

}  // namespace lodekey::issuer
