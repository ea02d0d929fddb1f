// A client of the standard at a WorkloadRig.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "crypto/jws.h"
#include "spiffe/workload.grpc.pb.h"
#include "tests/agent/workload_rig.h"
#include "tests/support/must.h"

namespace lodekey::test {

using WorkloadStub = SpiffeWorkloadAPI::Stub;

inline std::string OwnUid() { return "unix:uid:" + std::to_string(::getuid()); }

// The stable name of a refusal.
inline std::string NameOf(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find("lodekey-error");
  return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
}

inline std::unique_ptr<grpc::ClientContext> NewContext(bool header = true) {
  auto context = std::make_unique<grpc::ClientContext>();
  if (header) context->AddMetadata("workload.spiffe.io", "true");
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  return context;
}

template <class Response>
class Stream {
 public:
  template <class Request>
  Stream(WorkloadStub& stub,
         std::unique_ptr<grpc::ClientReader<Response>> (WorkloadStub::*method)(grpc::ClientContext*,
                                                                               const Request&),
         bool header = true)
      : context_(NewContext(header)), reader_((stub.*method)(context_.get(), Request())) {}
  ~Stream() {
    context_->TryCancel();
    Response ignored;
    while (reader_->Read(&ignored)) {
    }
    if (!finished_) (void)reader_->Finish();
  }

  // The next message; the test fails when the stream ended.
  Response Next() {
    Response response;
    EXPECT_TRUE(reader_->Read(&response)) << "the stream ended";
    return response;
  }
  // Reads to the end: "7 no-identity".
  std::string End() {
    Response ignored;
    while (reader_->Read(&ignored)) {
    }
    finished_ = true;
    const grpc::Status status = reader_->Finish();
    return std::to_string(status.error_code()) + " " + NameOf(*context_);
  }
  bool Read(Response* response) { return reader_->Read(response); }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  bool finished_ = false;
};

class WorkloadServerTest : public testing::Test {
 protected:
  explicit WorkloadServerTest(agent::CallerLimit limit = {})
      : rig_(platform::PeerMode::kAuto, limit) {
    rig_.SetEntries({WorkloadRig::Entry("web", {OwnUid()})});
  }

  Stream<X509SVIDResponse> X509Svids(bool header = true) {
    return {*stub_, &WorkloadStub::FetchX509SVID, header};
  }
  Stream<X509BundlesResponse> X509Bundles(bool header = true) {
    return {*stub_, &WorkloadStub::FetchX509Bundles, header};
  }
  Stream<JWTBundlesResponse> JwtBundles(bool header = true) {
    return {*stub_, &WorkloadStub::FetchJWTBundles, header};
  }
  // "" or the end as Stream::End has it.
  template <class Request, class Response>
  std::string Call(grpc::Status (WorkloadStub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                   const Request& request, Response* response, bool header = true) {
    const auto context = NewContext(header);
    const grpc::Status status = (stub_.get()->*method)(context.get(), request, response);
    return status.ok() ? "" : std::to_string(status.error_code()) + " " + NameOf(*context);
  }
  std::string FetchJwt(const std::vector<std::string>& audiences, bool header = true) {
    JWTSVIDRequest request;
    for (const std::string& audience : audiences) request.add_audience(audience);
    return Call(&WorkloadStub::FetchJWTSVID, request, &jwts_, header);
  }
  // For "vault", with metadata besides.
  std::string FetchJwtWith(const std::vector<std::pair<std::string, std::string>>& metadata) {
    const auto context = NewContext();
    for (const auto& [key, value] : metadata) context->AddMetadata(key, value);
    JWTSVIDRequest request;
    request.add_audience("vault");
    const grpc::Status status = stub_->FetchJWTSVID(context.get(), request, &jwts_);
    return status.ok() ? "" : std::to_string(status.error_code()) + " " + NameOf(*context);
  }
  std::string Validate(const std::string& token, const std::string& audience = "vault",
                       bool header = true) {
    ValidateJWTSVIDRequest request;
    request.set_svid(token);
    request.set_audience(audience);
    return Call(&WorkloadStub::ValidateJWTSVID, request, &validated_, header);
  }
  std::string Token(const std::string& payload) {
    return Must(crypto::SignJws(rig_.jwt_key,
                                crypto::JwsSigningInput(R"({"alg":"ES256","kid":"0a"})", payload)));
  }

  WorkloadRig rig_;
  std::shared_ptr<grpc::Channel> channel_ =
      grpc::CreateChannel("unix:" + rig_.socket(), grpc::InsecureChannelCredentials());
  std::unique_ptr<WorkloadStub> stub_ = SpiffeWorkloadAPI::NewStub(channel_);
  JWTSVIDResponse jwts_;
  ValidateJWTSVIDResponse validated_;
};

}  // namespace lodekey::test
