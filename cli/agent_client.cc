#include "cli/agent_client.h"

#include "cli/grpc_call.h"
#include "lodekey/agent/v1/agent_service.grpc.pb.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::agent::v1;
using Stub = api::AgentService::Stub;

constexpr Duration kLimit = std::chrono::seconds(15);
// The agent gives its issuer thirty seconds, and asks it for a nonce first.
constexpr Duration kAttestLimit = std::chrono::seconds(90);

class Client final : public AgentClient {
 public:
  explicit Client(const std::string& socket)
      : endpoint_(AgentEndpoint(socket)), stub_(OpenChannel(endpoint_)) {}

  Result<api::Status> ShowStatus() override {
    return Call<api::Status>(endpoint_, stub_, &Stub::ShowStatus, api::ShowStatusRequest(), kLimit);
  }
  Result<api::EnrollResponse> Enroll(Duration limit) override {
    api::EnrollRequest request;
    request.set_timeout_ms(limit.count());
    return Call<api::EnrollResponse>(endpoint_, stub_, &Stub::Enroll, request, limit);
  }
  Result<api::EnrollResponse> Unenroll() override {
    return Call<api::EnrollResponse>(endpoint_, stub_, &Stub::Unenroll, api::UnenrollRequest(),
                                     kAttestLimit);
  }
  Result<api::AttestNowResponse> Attest() override {
    return Call<api::AttestNowResponse>(endpoint_, stub_, &Stub::Attest, api::AttestNowRequest(),
                                        kAttestLimit);
  }
  Result<api::ShowBundleResponse> ShowBundle() override {
    return Call<api::ShowBundleResponse>(endpoint_, stub_, &Stub::ShowBundle,
                                         api::ShowBundleRequest(), kLimit);
  }
  Result<api::Workload> InspectWorkload(int pid) override {
    api::InspectWorkloadRequest request;
    request.set_pid(pid);
    return Call<api::Workload>(endpoint_, stub_, &Stub::InspectWorkload, request, kLimit);
  }

 private:
  Endpoint endpoint_;
  Stub stub_;
};

}  // namespace

std::unique_ptr<AgentClient> ConnectAgent(const std::string& socket) {
  return std::make_unique<Client>(socket);
}

}  // namespace lodekey::cli
