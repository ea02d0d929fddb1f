#include "agent/workload_server.h"

#include <chrono>
#include <optional>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>

#include "agent/memory_trim.h"
#include "agent/workload_callers.h"
#include "agent/workload_service.h"
#include "platform/unix_listener.h"

namespace lodekey::agent {
namespace {

constexpr int kMaxRequest = 64 << 10;             // bytes; a JWT-SVID has at most 16 KiB
constexpr int kMaxMetadata = 4 << 10;             // bytes
constexpr size_t kMaxMemory = size_t{256} << 20;  // bytes, of gRPC for all connections
// More calls than a user may have: those beyond are refused, and do not wait in the client for a
// place on the connection. Nothing relies on it: gRPC counts the streams of a client only once it
// has acknowledged the number.
constexpr size_t kSpareStreams = 64;
constexpr int kLeastPingInterval = 10'000;  // ms
constexpr int kSmallTable = 1024;           // bytes; HPACK's default is 4 KiB a connection and side

class Front final : public WorkloadServer {
 public:
  ~Front() override {
    if (listener_) listener_->Stop();
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  }

  Result<void> Start(const Options& options, const Parts& parts) {
    ASSIGN_OR_RETURN(callers_, WorkloadCallers::Create(options.limit), "Workload API");
    trim_.emplace([this] { return callers_->connections(); });
    service_ = MakeWorkloadService({.callers = *callers_,
                                    .pool = parts.pool,
                                    .book = parts.book,
                                    .tokens = parts.tokens,
                                    .now = parts.now});
    RETURN_IF_ERROR(Build(options.limit.streams), "Workload API");
    ASSIGN_OR_RETURN(listener_,
                     platform::UnixListener::Create(
                         options.socket, 0666, "",
                         [this](platform::UniqueFd fd, platform::Peer peer) {
                           if (!callers_->Accept(fd.get(), std::move(peer))) return;
                           trim_->Note();
                           grpc::AddInsecureChannelFromFd(server_.get(), fd.release());
                         },
                         options.caller_identification),
                     "Workload API");
    return {};
  }

  size_t connections() const override { return callers_->connections(); }
  size_t users() const override { return callers_->users(); }

 private:
  Result<void> Build(size_t streams_per_user) {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(service_.get());
    builder.SetMaxReceiveMessageSize(kMaxRequest);
    builder.SetResourceQuota(grpc::ResourceQuota("workload").Resize(kMaxMemory));
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                               static_cast<int>(streams_per_user + kSpareStreams));
    // The kernel tells when a local client ends: nobody needs pings, and who sends them anyway is
    // not to send many.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               kLeastPingInterval);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    // Small connections: requests are tiny, so nothing is gained by measuring the path and growing
    // windows and buffers to it.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_DECODER, kSmallTable);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_ENCODER, kSmallTable);
    builder.AddChannelArgument(GRPC_ARG_TCP_MIN_READ_CHUNK_SIZE, 256);
    builder.AddChannelArgument(GRPC_ARG_TCP_READ_CHUNK_SIZE, 1024);
    server_ = builder.BuildAndStart();
    if (!server_) return Fail(Code::kInternal, "cannot start the Workload API");
    return {};
  }

  std::unique_ptr<WorkloadCallers> callers_;
  std::optional<MemoryTrim> trim_;
  std::unique_ptr<grpc::CallbackGenericService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<platform::UnixListener> listener_;
};

}  // namespace

Result<std::unique_ptr<WorkloadServer>> WorkloadServer::Start(const Options& options,
                                                              const Parts& parts) {
  auto front = std::make_unique<Front>();
  RETURN_IF_ERROR(front->Start(options, parts), "serve the Workload API");
  return std::unique_ptr<WorkloadServer>(std::move(front));
}

}  // namespace lodekey::agent
