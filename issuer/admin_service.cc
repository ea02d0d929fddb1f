#include "issuer/admin_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/codec.h"
#include "attest/entry_codec.h"
#include "issuer/decision_book.h"
#include "issuer/entry_book.h"
#include "issuer/entry_message.h"
#include "issuer/grpc_error.h"
#include "issuer/inventory.h"
#include "issuer/inventory_message.h"
#include "issuer/next_step.h"
#include "issuer/node_message.h"
#include "issuer/policy_calls.h"
#include "lodekey/admin/v1/admin_service.grpc.pb.h"
#include "platform/log.h"

namespace lodekey::issuer {
namespace {

namespace admin = lodekey::admin::v1;

constexpr uint32_t kMaxList = 1000;
constexpr size_t kPage = 256;

std::map<std::string, std::string> LabelsOf(
    const google::protobuf::Map<std::string, std::string>& labels) {
  return {labels.begin(), labels.end()};
}

uint32_t LimitOf(uint32_t asked) { return asked == 0 ? kMaxList : std::min(asked, kMaxList); }

// Of this standing; empty: of any.
Result<std::vector<NodeRecord>> ListPage(Store& store, const std::string& standing,
                                         const NodeId& after) {
  std::vector<NodeRecord> page;
  RETURN_IF_ERROR(store.Read([&](View& view) -> Result<void> {
    if (standing.empty()) {
      ASSIGN_OR_RETURN(page, view.ListNodes(after, kPage), "list nodes");
      return {};
    }
    ASSIGN_OR_RETURN(const Standing wanted, ParseStanding(standing), "list nodes");
    ASSIGN_OR_RETURN(page, view.ListNodesOf(wanted, after, kPage), "list nodes");
    return {};
  }),
                  "list nodes");
  return page;
}

bool Matches(const NodeRecord& record, const admin::ListNodesRequest& request) {
  return std::ranges::all_of(request.labels(), [&](const auto& label) {
    const auto found = record.labels.find(label.first);
    return found != record.labels.end() && found->second == label.second;
  });
}

class Service final : public admin::AdminService::Service {
 public:
  Service(Context& context, Connections& connections, const platform::PeerMap& peers)
      : context_(context),
        inventory_(context),
        entries_(context),
        policies_(context),
        decisions_(context),
        connections_(connections),
        peers_(peers) {}

 private:
  // Every call: who asks, what came of it.
  template <class Body>
  grpc::Status Call(grpc::ServerContext* context, std::string_view call, Body body) {
    const auto peer = peers_.Find(context->peer());
    const Result<void> done = [&]() -> Result<void> {
      if (!peer)
        return Fail(Code::kDenied, "the caller is unknown",
                    {.name = "caller-unknown", .advice = "Connect again."});
      return body(fmt::format("uid {}", peer->uid));
    }();
    return done ? grpc::Status::OK
                : ToGrpcStatus(*context, done.error(), Audience::kOperator, call);
  }

  grpc::Status ListNodes(grpc::ServerContext* context, const admin::ListNodesRequest* request,
                         admin::ListNodesResponse* response) override {
    return Call(context, "ListNodes",
                [&](const std::string&) { return List(*request, *response); });
  }

  grpc::Status ShowNode(grpc::ServerContext* context, const admin::NodeRequest* request,
                        admin::Node* response) override {
    return Call(context, "ShowNode", [&](const std::string&) -> Result<void> {
      ASSIGN_OR_RETURN(const NodeRecord record, inventory_.Find(request->node()), "show a node");
      ASSIGN_OR_RETURN(*response, EncodeNode(context_, record), "show a node");
      return {};
    });
  }

  grpc::Status AllowNode(grpc::ServerContext* context, const admin::AllowNodeRequest* request,
                         admin::ChangeResponse* response) override {
    return Call(context, "AllowNode", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(const ChangedNode changed,
                       inventory_.Allow(request->ek_hash(), LabelsOf(request->labels()), actor),
                       "allow a node");
      return Report(changed, "allow", actor, *response);
    });
  }

  grpc::Status RemoveNode(grpc::ServerContext* context, const admin::NodeRequest* request,
                          admin::ChangeResponse* response) override {
    return Call(context, "RemoveNode", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(const ChangedNode changed, inventory_.Remove(request->node(), actor),
                       "remove a node");
      connections_.Close(changed.record.id);
      return Report(changed, "remove", actor, *response);
    });
  }

  grpc::Status ApprovePcrs(grpc::ServerContext* context, const admin::ApprovePcrsRequest* request,
                           admin::ChangeResponse* response) override {
    return Call(context, "ApprovePcrs", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(const tpm::PcrBank seen, DecodePcrValues(request->values()), "approve PCRs");
      ASSIGN_OR_RETURN(const ApprovedPcrs approved,
                       inventory_.ApprovePcrs(request->node(), seen, request->replace(), actor),
                       "approve PCRs");
      for (const ReferencePcr& reference : approved.approved)
        *response->add_approved() = EncodePcrValue(reference.bank, reference.pcr, reference.value);
      return Report({.changed = approved.changed, .record = approved.record}, "approve-pcrs", actor,
                    *response);
    });
  }

  grpc::Status ApproveAk(grpc::ServerContext* context, const admin::ApproveAkRequest* request,
                         admin::ChangeResponse* response) override {
    return Call(context, "ApproveAk", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(const ChangedNode changed,
                       inventory_.ApproveAk(request->node(), AsBytes(request->ak_name()), actor),
                       "approve an attestation key");
      return Report(changed, "approve-ak", actor, *response);
    });
  }

  grpc::Status ImportNodes(grpc::ServerContext* context, const admin::ImportNodesRequest* request,
                           admin::ImportNodesResponse* response) override {
    return Call(context, "ImportNodes", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(
          const ImportedNodes outcome,
          issuer::ImportNodes(context_, DecodeInventoryRows(*request), request->dry_run(), actor),
          "import nodes");
      const auto changed = std::ranges::count_if(outcome.imported, &ImportedNode::changed);
      if (!request->dry_run()) LogChanges("import", changed, actor);
      *response = EncodeImportedNodes(outcome);
      return {};
    });
  }

  grpc::Status AdmitNodes(grpc::ServerContext* context, const admin::AdmitNodesRequest* request,
                          admin::AdmitNodesResponse* response) override {
    return Call(context, "AdmitNodes", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(const ApprovedNodes outcome,
                       issuer::AdmitNodes(context_, DecodeApproval(*request), actor),
                       "admit nodes");
      if (!request->dry_run())
        LogChanges(request->deny() ? "deny" : "approve", std::ssize(outcome.changed), actor);
      for (const NodeRecord& record : outcome.nodes) {
        ASSIGN_OR_RETURN(*response->add_nodes(), EncodeNode(context_, record), "show a node");
      }
      response->mutable_changed()->Add(outcome.changed.begin(), outcome.changed.end());
      response->mutable_skipped()->Add(outcome.skipped.begin(), outcome.skipped.end());
      return {};
    });
  }

  grpc::Status ListDecisions(grpc::ServerContext* context,
                             const admin::ListDecisionsRequest* request,
                             admin::ListDecisionsResponse* response) override {
    return Call(context, "ListDecisions", [&](const std::string&) -> Result<void> {
      ASSIGN_OR_RETURN(DecisionFilter filter, DecodeDecisionFilter(*request), "list decisions");
      ASSIGN_OR_RETURN(
          const DecisionPage page,
          decisions_.List(std::move(filter), request->code(), LimitOf(request->limit())),
          "list decisions");
      response->mutable_decisions()->Add(page.decisions.begin(), page.decisions.end());
      response->set_next(page.next);
      return {};
    });
  }

  grpc::Status ShowDecision(grpc::ServerContext* context, const admin::ShowDecisionRequest* request,
                            admin::ShowDecisionResponse* response) override {
    return Call(context, "ShowDecision", [&](const std::string&) -> Result<void> {
      ASSIGN_OR_RETURN(const DecisionRecord record,
                       decisions_.Find(AsBytes(request->input_digest())), "show a decision");
      *response->mutable_decision() = DecisionOf(record);
      response->set_input(record.input);
      return {};
    });
  }

  grpc::Status ListEntries(grpc::ServerContext* context, const admin::ListEntriesRequest* request,
                           admin::ListEntriesResponse* response) override {
    return Call(context, "ListEntries", [&](const std::string&) -> Result<void> {
      ASSIGN_OR_RETURN(const EntryFilter filter, DecodeEntryFilter(*request, inventory_),
                       "list entries");
      ASSIGN_OR_RETURN(const EntryPage page,
                       entries_.List(filter, request->after(), LimitOf(request->limit())),
                       "list entries");
      *response = EncodeEntryPage(page);
      return {};
    });
  }

  grpc::Status ShowEntry(grpc::ServerContext* context, const admin::EntryRequest* request,
                         lodekey::entry::v1::Entry* response) override {
    return Call(context, "ShowEntry", [&](const std::string&) -> Result<void> {
      ASSIGN_OR_RETURN(const attest::Entry entry, entries_.Find(request->entry()), "show an entry");
      *response = attest::EncodeEntry(entry);
      return {};
    });
  }

  grpc::Status ApplyEntries(grpc::ServerContext* context, const admin::ApplyEntriesRequest* request,
                            admin::ApplyEntriesResponse* response) override {
    return Call(context, "ApplyEntries", [&](const std::string& actor) -> Result<void> {
      ASSIGN_OR_RETURN(const AppliedEntries outcome,
                       entries_.Apply(DecodeEntryChanges(*request), request->dry_run(), actor),
                       "change entries");
      const auto changed = std::ranges::count_if(outcome.applied, &AppliedEntry::changed);
      if (changed != 0 && !request->dry_run()) {
        platform::LogEvent(platform::LogLevel::kInfo, "an operator changed entries",
                           {{"entries", std::to_string(changed)}, {"actor", actor}});
      }
      *response = EncodeAppliedEntries(outcome);
      return {};
    });
  }

  grpc::Status CheckPolicy(grpc::ServerContext* context, const admin::CheckPolicyRequest* request,
                           admin::CheckPolicyResponse* response) override {
    return Call(context, "CheckPolicy",
                [&](const std::string&) { return policies_.Check(*request, *response); });
  }

  grpc::Status ShowPolicy(grpc::ServerContext* context, const admin::ShowPolicyRequest* request,
                          admin::ShowPolicyResponse* response) override {
    return Call(context, "ShowPolicy",
                [&](const std::string&) { return policies_.Show(*request, *response); });
  }

  grpc::Status EvaluatePolicy(grpc::ServerContext* context,
                              const admin::EvaluatePolicyRequest* request,
                              admin::EvaluatePolicyResponse* response) override {
    return Call(context, "EvaluatePolicy",
                [&](const std::string&) { return policies_.Evaluate(*request, *response); });
  }

  grpc::Status PlanPolicy(grpc::ServerContext* context, const admin::PlanPolicyRequest* request,
                          admin::PlanPolicyResponse* response) override {
    return Call(context, "PlanPolicy",
                [&](const std::string&) { return policies_.Plan(*request, *response); });
  }

  grpc::Status ApplyPolicy(grpc::ServerContext* context, const admin::ApplyPolicyRequest* request,
                           admin::ApplyPolicyResponse* response) override {
    return Call(context, "ApplyPolicy", [&](const std::string& actor) {
      return policies_.Apply(*request, actor, *response);
    });
  }

  grpc::Status ListPolicies(grpc::ServerContext* context, const admin::ListPoliciesRequest*,
                            admin::ListPoliciesResponse* response) override {
    return Call(context, "ListPolicies",
                [&](const std::string&) { return policies_.List(*response); });
  }

  grpc::Status ShowBundle(grpc::ServerContext* context, const admin::ShowBundleRequest*,
                          admin::ShowBundleResponse* response) override {
    return Call(context, "ShowBundle", [&](const std::string&) -> Result<void> {
      response->set_trust_domain(context_.config.trust_domain);
      lodekey::node::v1::Bundle bundle = BundleOf(context_.authority);
      response->set_sequence(bundle.sequence());
      response->mutable_roots()->Swap(bundle.mutable_roots());
      response->mutable_jwt_keys()->Swap(bundle.mutable_jwt_keys());
      return {};
    });
  }

  grpc::Status ShowIssuer(grpc::ServerContext* context, const admin::ShowIssuerRequest*,
                          admin::ShowIssuerResponse* response) override {
    return Call(context, "ShowIssuer", [&](const std::string&) { return Show(*response); });
  }

  Result<void> List(const admin::ListNodesRequest& request, admin::ListNodesResponse& response);
  Result<void> Show(admin::ShowIssuerResponse& response);

  Result<DecisionFilter> DecodeDecisionFilter(const admin::ListDecisionsRequest& request);

  // Of a verb for many nodes.
  static void LogChanges(const std::string& verb, ptrdiff_t changed, const std::string& actor) {
    if (changed == 0) return;
    platform::LogEvent(platform::LogLevel::kInfo, "an operator changed nodes",
                       {{"nodes", std::to_string(changed)}, {"verb", verb}, {"actor", actor}});
  }

  Result<void> Report(const ChangedNode& changed, const std::string& verb, const std::string& actor,
                      admin::ChangeResponse& response) {
    response.set_changed(changed.changed);
    if (changed.changed) {
      platform::LogEvent(platform::LogLevel::kInfo, "an operator changed a node",
                         {{"node", changed.record.id}, {"verb", verb}, {"actor", actor}});
    }
    ASSIGN_OR_RETURN(*response.mutable_node(), EncodeNode(context_, changed.record), "show a node");
    return {};
  }

  Context& context_;
  Inventory inventory_;
  EntryBook entries_;
  PolicyCalls policies_;
  DecisionBook decisions_;
  Connections& connections_;
  const platform::PeerMap& peers_;
};

Result<void> Service::List(const admin::ListNodesRequest& request,
                           admin::ListNodesResponse& response) {
  const uint32_t limit = LimitOf(request.limit());
  std::string after = request.after();
  for (;;) {
    ASSIGN_OR_RETURN(const auto page, ListPage(context_.store, request.standing(), after), "list");
    for (const NodeRecord& record : page) {
      after = record.id;
      if (!Matches(record, request)) continue;
      ASSIGN_OR_RETURN(*response.add_nodes(), EncodeNode(context_, record), "list nodes");
      if (static_cast<uint32_t>(response.nodes_size()) == limit) {
        response.set_next(after);
        return {};
      }
    }
    if (page.size() < kPage) return {};
  }
}

Result<DecisionFilter> Service::DecodeDecisionFilter(const admin::ListDecisionsRequest& request) {
  DecisionFilter filter{.after = request.after(),
                        .since = Time(Duration(request.since_unix_ms())),
                        .point = request.point()};
  if (request.until_unix_ms() != 0) filter.until = Time(Duration(request.until_unix_ms()));
  if (request.has_allowed()) filter.allowed = request.allowed();
  if (!request.node().empty()) {
    ASSIGN_OR_RETURN(const NodeRecord node, inventory_.Find(request.node()), "list decisions");
    filter.node = node.id;
  }
  return filter;
}

Result<void> Service::Show(admin::ShowIssuerResponse& response) {
  const Authority& authority = context_.authority;
  response.set_version(LODEKEY_VERSION);
  response.set_trust_domain(context_.config.trust_domain);
  response.set_listen(platform::FormatHostPort(context_.config.listen));
  response.add_authority_pins(authority.Pin());
  response.set_root_not_after_unix_ms(authority.root().not_after().time_since_epoch().count());
  response.set_intermediate_not_after_unix_ms(
      authority.signer(context_.now())->certificate.not_after().time_since_epoch().count());
  ASSIGN_OR_RETURN(const bool root_key_present, authority.HasRootKey(), "root's key");
  response.set_root_key_present(root_key_present);
  response.set_audit_path(context_.config.state_dir + "/audit.jsonl");
  ASSIGN_OR_RETURN(const auto audit_key, Authority::OpenAuditKey(authority.options()), "audit key");
  response.set_audit_public_key(attest::ToField(audit_key.public_key()));
  return context_.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(const crypto::ChainHead head, view.AuditHead(), "audit head");
    response.set_audit_seq(head.seq);
    response.set_audit_hash(attest::ToField(head.hash));
    for (const Standing standing : kStandings) {
      ASSIGN_OR_RETURN(const uint64_t count, view.CountNodes(standing), "count nodes");
      if (count > 0)
        (*response.mutable_nodes_by_standing())[std::string(StandingName(standing))] = count;
    }
    return {};
  });
}

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(Context& context, Connections& connections,
                                                const platform::PeerMap& peers) {
  return std::make_unique<Service>(context, connections, peers);
}

}  // namespace lodekey::issuer
