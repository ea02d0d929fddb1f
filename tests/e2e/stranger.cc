#include "tests/e2e/stranger.h"

#include <chrono>

#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace lodekey::test {
namespace {

namespace node = lodekey::node::v1;

constexpr size_t kMostUnderWay = 256;
constexpr auto kTick = std::chrono::milliseconds(10);
constexpr int kTicksPerSecond = 100;

}  // namespace

std::unique_ptr<node::NodeService::Stub> StrangerStub(const std::string& address) {
  namespace tls = grpc::experimental;
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return node::NodeService::NewStub(
      grpc::CreateCustomChannel(address, tls::TlsCredentials(options), arguments));
}

struct Flood::Call {
  grpc::ClientContext context;
  node::StartEnrolmentResponse response;
};

Flood::Flood(const std::vector<std::string>& addresses, node::StartEnrolmentRequest request,
             int per_second)
    : request_(std::move(request)) {
  for (const std::string& address : addresses) stubs_.push_back(StrangerStub(address));
  thread_ = std::thread([this, per_second] { Run(per_second); });
}

Flood::~Flood() {
  stopping_ = true;
  thread_.join();
  while (answered_ < sent_) std::this_thread::sleep_for(kTick);  // each call has its deadline
}

void Flood::Run(int per_second) {
  auto next = std::chrono::steady_clock::now();
  for (size_t turn = 0; !stopping_;) {
    for (int i = 0; i < per_second / kTicksPerSecond; ++i, ++turn) {
      if (sent_ - answered_ < kMostUnderWay) Send(*stubs_[turn % stubs_.size()]);
    }
    next += kTick;
    std::this_thread::sleep_until(next);
  }
}

void Flood::Send(node::NodeService::Stub& stub) {
  ++sent_;
  auto call = std::make_shared<Call>();
  call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  stub.async()->StartEnrolment(&call->context, &request_, &call->response,
                               [this, call](const grpc::Status& status) {
                                 if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED)
                                   ++limited_;
                                 ++answered_;
                               });
}

}  // namespace lodekey::test
