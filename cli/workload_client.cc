#include "cli/workload_client.h"

#include <utility>

#include <fmt/ranges.h>

#include "cli/grpc_call.h"
#include "spiffe/workload.grpc.pb.h"

namespace lodekey::cli {
namespace {

using Stub = SpiffeWorkloadAPI::Stub;

// SPIFFE Workload Endpoint, 5: without it the endpoint refuses, so that nobody is made to ask it by
// forged requests of another kind.
void AddHeader(grpc::ClientContext& context) { context.AddMetadata("workload.spiffe.io", "true"); }

class Client final : public WorkloadClient {
 public:
  explicit Client(const std::string& socket)
      : endpoint_(AgentEndpoint(socket)), stub_(OpenChannel(endpoint_)) {}

  Result<X509SVIDResponse> FetchX509Svid(Duration limit) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    X509SVIDResponse first;
    RETURN_IF_ERROR(Read(context,
                         [&](const X509SVIDResponse& response) {
                           first = response;
                           return false;
                         }),
                    "fetch X.509-SVIDs");
    return first;
  }

  Result<void> WatchX509Svid(std::function<bool(const X509SVIDResponse&)> each) override {
    grpc::ClientContext context;
    return Read(context, each);
  }

  Result<JWTSVIDResponse> FetchJwtSvid(const attest::TokenPurpose& purpose,
                                       const std::string& spiffe_id, Duration limit) override {
    grpc::ClientContext context;
    AddHeader(context);
    if (!purpose.scopes.empty())
      context.AddMetadata("lodekey-scope", fmt::format("{}", fmt::join(purpose.scopes, " ")));
    if (!purpose.task.empty()) context.AddMetadata("lodekey-task", purpose.task);
    JWTSVIDRequest request;
    *request.mutable_audience() = {purpose.audiences.begin(), purpose.audiences.end()};
    request.set_spiffe_id(spiffe_id);
    return Call<JWTSVIDResponse>(endpoint_, stub_, context, &Stub::FetchJWTSVID, request, limit);
  }

 private:
  Result<void> Read(grpc::ClientContext& context,
                    const std::function<bool(const X509SVIDResponse&)>& each) {
    AddHeader(context);
    const auto reader = stub_.FetchX509SVID(&context, X509SVIDRequest());
    for (X509SVIDResponse response; reader->Read(&response);) {
      if (each(response)) continue;
      context.TryCancel();
      static_cast<void>(reader->Finish());  // that it was cancelled
      return {};
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok()) return FailCall(endpoint_, context, status);
    return Fail(Code::kUnavailable, "lodekeyd ended the stream",
                {.name = "agent-unreachable", .advice = "Run it again."});
  }

  Endpoint endpoint_;
  Stub stub_;
};

}  // namespace

std::unique_ptr<WorkloadClient> ConnectWorkloadApi(const std::string& socket) {
  return std::make_unique<Client>(socket);
}

}  // namespace lodekey::cli
