// The issuer's admin API, over its socket on the issuer's host.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::cli {

// Not thread-safe. Every call may fail with what the issuer says, and with kUnavailable
// ("admin-unreachable") or kTimeout ("admin-timeout").
class AdminClient {
 public:
  virtual ~AdminClient() = default;
  virtual Result<admin::v1::ListNodesResponse> ListNodes(
      const admin::v1::ListNodesRequest& request) = 0;
  virtual Result<admin::v1::Node> ShowNode(const std::string& node) = 0;
  virtual Result<admin::v1::ChangeResponse> AllowNode(
      const admin::v1::AllowNodeRequest& request) = 0;
  virtual Result<admin::v1::ChangeResponse> RemoveNode(const std::string& node) = 0;
  virtual Result<admin::v1::ChangeResponse> ApprovePcrs(
      const admin::v1::ApprovePcrsRequest& request) = 0;
  virtual Result<admin::v1::ChangeResponse> ApproveAk(
      const admin::v1::ApproveAkRequest& request) = 0;
  virtual Result<admin::v1::ImportNodesResponse> ImportNodes(
      const admin::v1::ImportNodesRequest& request) = 0;
  virtual Result<admin::v1::AdmitNodesResponse> AdmitNodes(
      const admin::v1::AdmitNodesRequest& request) = 0;
  // `digest`: bytes, the whole or its beginning.
  virtual Result<admin::v1::ShowDecisionResponse> ShowDecision(const std::string& digest) = 0;
  virtual Result<admin::v1::ListEntriesResponse> ListEntries(
      const admin::v1::ListEntriesRequest& request) = 0;
  virtual Result<entry::v1::Entry> ShowEntry(const std::string& entry) = 0;
  virtual Result<admin::v1::ApplyEntriesResponse> ApplyEntries(
      const admin::v1::ApplyEntriesRequest& request) = 0;
  virtual Result<admin::v1::CheckPolicyResponse> CheckPolicy(
      const admin::v1::CheckPolicyRequest& request) = 0;
  virtual Result<admin::v1::ShowPolicyResponse> ShowPolicy(
      const admin::v1::ShowPolicyRequest& request) = 0;
  virtual Result<admin::v1::EvaluatePolicyResponse> EvaluatePolicy(
      const admin::v1::EvaluatePolicyRequest& request) = 0;
  virtual Result<admin::v1::PlanPolicyResponse> PlanPolicy(
      const admin::v1::PlanPolicyRequest& request) = 0;
  virtual Result<admin::v1::ApplyPolicyResponse> ApplyPolicy(
      const admin::v1::ApplyPolicyRequest& request) = 0;
  virtual Result<admin::v1::ListPoliciesResponse> ListPolicies() = 0;
  virtual Result<admin::v1::ShowBundleResponse> ShowBundle() = 0;
  virtual Result<admin::v1::ShowIssuerResponse> ShowIssuer() = 0;
};

std::unique_ptr<AdminClient> ConnectAdmin(const std::string& socket);

}  // namespace lodekey::cli
