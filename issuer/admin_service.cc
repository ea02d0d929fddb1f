#include "issuer/admin_service.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/codec.h"
#include "attest/entry_codec.h"
#include "issuer/entry_book.h"
#include "issuer/entry_message.h"
#include "issuer/grpc_error.h"
#include "issuer/inventory.h"
#include "issuer/next_step.h"
#include "issuer/node_message.h"
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

bool Matches(const NodeRecord& record, const admin::ListNodesRequest& request) {
  if (!request.standing().empty() && StandingName(record.standing) != request.standing())
    return false;
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
  Connections& connections_;
  const platform::PeerMap& peers_;
};

Result<void> Service::List(const admin::ListNodesRequest& request,
                           admin::ListNodesResponse& response) {
  const uint32_t limit = LimitOf(request.limit());
  std::string after = request.after();
  for (;;) {
    std::vector<NodeRecord> page;
    RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
      ASSIGN_OR_RETURN(page, view.ListNodes(after, kPage), "list nodes");
      return {};
    }),
                    "list nodes");
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
    for (std::string after;;) {
      ASSIGN_OR_RETURN(const auto page, view.ListNodes(after, kPage), "count nodes");
      for (const NodeRecord& record : page)
        ++(*response.mutable_nodes_by_standing())[std::string(StandingName(record.standing))];
      if (page.size() < kPage) return {};
      after = page.back().id;
    }
  });
}

}  // namespace

std::unique_ptr<grpc::Service> MakeAdminService(Context& context, Connections& connections,
                                                const platform::PeerMap& peers) {
  return std::make_unique<Service>(context, connections, peers);
}

}  // namespace lodekey::issuer
