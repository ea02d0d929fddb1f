#include "cli/admin_client.h"

#include "cli/grpc_call.h"
#include "lodekey/admin/v1/admin_service.grpc.pb.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;
using Stub = api::AdminService::Stub;

constexpr Duration kLimit = std::chrono::seconds(15);
// A policy is compiled and run over what was decided before.
constexpr Duration kPolicyLimit = std::chrono::minutes(10);
constexpr Duration kLimitOfMany = std::chrono::minutes(2);  // of thousands of nodes

class Client final : public AdminClient {
 public:
  explicit Client(const std::string& socket)
      : endpoint_{.socket = socket,
                  .program = "lodekey-issuer",
                  .kind = "admin",
                  .advice =
                      "Run the command on the issuer's host as root; if the issuer is down, start "
                      "lodekey-issuer"},
        stub_(OpenChannel(endpoint_)) {}

  Result<api::ListNodesResponse> ListNodes(const api::ListNodesRequest& request) override {
    return Ask<api::ListNodesResponse>(&Stub::ListNodes, request);
  }
  Result<api::Node> ShowNode(const std::string& node) override {
    return Ask<api::Node>(&Stub::ShowNode, Named(node));
  }
  Result<api::ChangeResponse> AllowNode(const api::AllowNodeRequest& request) override {
    return Ask<api::ChangeResponse>(&Stub::AllowNode, request);
  }
  Result<api::ChangeResponse> RemoveNode(const std::string& node) override {
    return Ask<api::ChangeResponse>(&Stub::RemoveNode, Named(node));
  }
  Result<api::ChangeResponse> ApprovePcrs(const api::ApprovePcrsRequest& request) override {
    return Ask<api::ChangeResponse>(&Stub::ApprovePcrs, request);
  }
  Result<api::ChangeResponse> ApproveAk(const api::ApproveAkRequest& request) override {
    return Ask<api::ChangeResponse>(&Stub::ApproveAk, request);
  }
  Result<api::ImportNodesResponse> ImportNodes(const api::ImportNodesRequest& request) override {
    return Call<api::ImportNodesResponse>(endpoint_, stub_, &Stub::ImportNodes, request,
                                          kLimitOfMany);
  }
  Result<api::AdmitNodesResponse> AdmitNodes(const api::AdmitNodesRequest& request) override {
    return Call<api::AdmitNodesResponse>(endpoint_, stub_, &Stub::AdmitNodes, request,
                                         kLimitOfMany);
  }
  Result<api::ShowDecisionResponse> ShowDecision(const std::string& digest) override {
    api::ShowDecisionRequest request;
    request.set_input_digest(digest);
    return Ask<api::ShowDecisionResponse>(&Stub::ShowDecision, request);
  }
  Result<api::ListEntriesResponse> ListEntries(const api::ListEntriesRequest& request) override {
    return Ask<api::ListEntriesResponse>(&Stub::ListEntries, request);
  }
  Result<entry::v1::Entry> ShowEntry(const std::string& entry) override {
    api::EntryRequest request;
    request.set_entry(entry);
    return Ask<entry::v1::Entry>(&Stub::ShowEntry, request);
  }
  Result<api::ApplyEntriesResponse> ApplyEntries(const api::ApplyEntriesRequest& request) override {
    return Ask<api::ApplyEntriesResponse>(&Stub::ApplyEntries, request);
  }
  Result<api::CheckPolicyResponse> CheckPolicy(const api::CheckPolicyRequest& request) override {
    return Ask<api::CheckPolicyResponse>(&Stub::CheckPolicy, request, kPolicyLimit);
  }
  Result<api::ShowPolicyResponse> ShowPolicy(const api::ShowPolicyRequest& request) override {
    return Ask<api::ShowPolicyResponse>(&Stub::ShowPolicy, request);
  }
  Result<api::EvaluatePolicyResponse> EvaluatePolicy(
      const api::EvaluatePolicyRequest& request) override {
    return Ask<api::EvaluatePolicyResponse>(&Stub::EvaluatePolicy, request);
  }
  Result<api::PlanPolicyResponse> PlanPolicy(const api::PlanPolicyRequest& request) override {
    return Ask<api::PlanPolicyResponse>(&Stub::PlanPolicy, request, kPolicyLimit);
  }
  Result<api::ApplyPolicyResponse> ApplyPolicy(const api::ApplyPolicyRequest& request) override {
    return Ask<api::ApplyPolicyResponse>(&Stub::ApplyPolicy, request, kPolicyLimit);
  }
  Result<api::ListPoliciesResponse> ListPolicies() override {
    return Ask<api::ListPoliciesResponse>(&Stub::ListPolicies, api::ListPoliciesRequest());
  }
  Result<api::ShowBundleResponse> ShowBundle() override {
    return Ask<api::ShowBundleResponse>(&Stub::ShowBundle, api::ShowBundleRequest());
  }
  Result<api::ShowIssuerResponse> ShowIssuer() override {
    return Ask<api::ShowIssuerResponse>(&Stub::ShowIssuer, api::ShowIssuerRequest());
  }

 private:
  static api::NodeRequest Named(const std::string& node) {
    api::NodeRequest request;
    request.set_node(node);
    return request;
  }

  template <class Response, class Request>
  Result<Response> Ask(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                    Response*),
                       const Request& request, Duration limit = kLimit) {
    return Call<Response>(endpoint_, stub_, method, request, limit);
  }

  Endpoint endpoint_;
  Stub stub_;
};

}  // namespace

std::unique_ptr<AdminClient> ConnectAdmin(const std::string& socket) {
  return std::make_unique<Client>(socket);
}

}  // namespace lodekey::cli
