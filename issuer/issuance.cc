#include "issuer/issuance.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "attest/codec.h"
#include "base/guarded.h"
#include "issuer/audit_record.h"
#include "issuer/decision_record.h"
#include "issuer/grant.h"
#include "issuer/next_step.h"
#include "issuer/policy_message.h"
#include "issuer/workload_decision.h"
#include "platform/clock.h"
#include "platform/log.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

// One credential from its request to its outcome.
struct Item {
  Result<WorkloadRequest> request;
  std::optional<Ruling> ruling = {};  // where the policy was asked
  std::optional<Error> refused = {};
  std::optional<Grant> grant = {};
  uint64_t entry_revision = 0;  // that it was decided on
  bool needs_evidence = false;
};

// What every node may learn of an item that gets nothing.
node::Refusal RefusalOf(const Error& error) {
  node::Refusal refusal;
  refusal.set_code(std::string(error.Name()));
  refusal.set_text(error.text);
  refusal.set_advice(error.advice);
  return refusal;
}

Error EntryChanged() {
  return {.code = Code::kConflict,
          .text = "the entry changed as the credential was made",
          .name = "entry-changed",
          .advice = "The agent asks again once it has heard of the change."};
}

std::unexpected<Error> TooMany() {
  return Fail(Code::kUnavailable, "the node asks for credentials too often",
              {.name = std::string(kTooManyIssuances), .advice = "It is tried again by itself."});
}

// One Issue from identified peer to reply.
class Issuing {
 public:
  Issuing(const Context& context, PeerNode peer, PolicyScene scene)
      : context_(context), peer_(std::move(peer)), scene_(std::move(scene)), now_(scene_.now) {}

  Result<void> Decide(const node::IssueRequest& request);
  void Commit(Reply<node::IssueResponse> reply) &&;

 private:
  Result<void> ReadEntries();
  // What is no matter of policy; `inputs` gets what is.
  void Check(Item& item, std::vector<std::string>& inputs) const;
  void Judge(Item& item) const;
  bool AnyNeedsEvidence() const { return std::ranges::any_of(items_, &Item::needs_evidence); }
  // What is granted may still be: node and entries are as they were decided on.
  Result<void> Record(Transaction& transaction);
  Result<void> RecordItem(Transaction& transaction, Item& item, const NodeRecord& record);
  Result<void> RecordRuling(Transaction& transaction, const Item& item) const;
  Result<node::IssueResponse> Answer(const crypto::ChainHead& head);
  Result<void> Recall(std::vector<std::optional<RecordedGrant>>& recorded) const;
  node::IssueOutcome OutcomeOf(const Item& item, const std::optional<RecordedGrant>& recorded);
  Result<node::IssueOutcome> Sign(const CredentialRecord& record, const RecordedGrant& recorded);
  void LogRefusals() const;

  const Context& context_;
  PeerNode peer_;
  PolicyScene scene_;
  Time now_;
  std::vector<Item> items_;
  std::map<std::string, std::optional<attest::Entry>> entries_;  // those that are asked for, by id
  node::NextStep evidence_;                                      // for those that need it
};

Result<void> Issuing::Decide(const node::IssueRequest& request) {
  RETURN_IF_ERROR(CheckIdentity(peer_.record), "issue");
  const auto count = static_cast<size_t>(request.items_size());
  if (count == 0 || count > kMaxIssueItems) {
    return Fail(Code::kInvalidArgument, fmt::format("a request has 1 to {} items", kMaxIssueItems),
                {.name = "issue-malformed"});
  }
  for (const node::IssueItem& item : request.items())
    items_.push_back({.request = ReadIssueItem(item)});
  RETURN_IF_ERROR(ReadEntries(), "entries");
  std::vector<std::string> inputs;
  for (Item& item : items_) Check(item, inputs);
  // One question for all of them.
  auto rulings = context_.policy.Decide(PolicyPoint::kIssuance, std::move(inputs), now_);
  auto next = rulings.begin();
  for (Item& item : items_) {
    if (item.refused) continue;
    item.ruling = std::move(*next++);
    Judge(item);
  }
  LogRefusals();
  return {};
}

Result<void> Issuing::ReadEntries() {
  return context_.store.Read([&](View& view) -> Result<void> {
    for (const Item& item : items_) {
      if (!item.request || entries_.contains(item.request->entry_id)) continue;
      ASSIGN_OR_RETURN(entries_[item.request->entry_id], view.FindEntry(item.request->entry_id),
                       "find an entry");
    }
    return {};
  });
}

void Issuing::Check(Item& item, std::vector<std::string>& inputs) const {
  if (!item.request) {
    item.refused = item.request.error();
    return;
  }
  const auto& stored = entries_.at(item.request->entry_id);
  auto id = WorkloadDecision::Identify(peer_.record, stored, *item.request, now_);
  if (!id) {
    item.refused = std::move(id.error());
    return;
  }
  inputs.push_back(IssuanceInput(scene_, peer_.record, *stored, *id, *item.request));
}

void Issuing::Judge(Item& item) const {
  const auto& stored = entries_.at(item.request->entry_id);
  auto decision = WorkloadDecision::After(peer_.record, stored, *item.request, *item.ruling,
                                          context_.config.node_ttl, now_);
  if (!decision) {
    item.refused = std::move(decision.error());
    return;
  }
  item.entry_revision = decision->entry().revision;
  item.needs_evidence = decision->needs_evidence();
  if (item.needs_evidence) return;
  auto grant = Grant::ForWorkload(*decision, context_.authority);
  if (grant)
    item.grant = *std::move(grant);
  else
    item.refused = std::move(grant.error());
}

// A line for a call: one that goes wrong is one item of many, or all for the same reason.
void Issuing::LogRefusals() const {
  const auto refused = [](const Item& item) { return item.refused.has_value(); };
  const auto first = std::ranges::find_if(items_, refused);
  if (first == items_.end()) return;
  platform::LogEvent(platform::LogLevel::kWarning, "a node was refused credentials of workloads",
                     {{"node", peer_.record.id},
                      {"code", std::string(first->refused->Name())},
                      {"reason", first->refused->text},
                      {"entry", first->request ? first->request->entry_id : ""},
                      {"refused", std::to_string(std::ranges::count_if(items_, refused))},
                      {"asked", std::to_string(items_.size())}});
}

Result<void> Issuing::Record(Transaction& transaction) {
  ASSIGN_OR_RETURN(auto record, transaction.FindNode(peer_.record.id), "find the node");
  // Other evidence may have other facts than those it was decided on.
  const bool same = record && record->enrolment &&
                    record->enrolment->node_key_public == peer_.record.enrolment->node_key_public &&
                    record->enrolment->evidence_time == peer_.record.enrolment->evidence_time;
  if (!same) {
    return Fail(Code::kConflict, "the node changed as its request was served",
                {.name = "node-changed", .advice = "The agent asks again by itself."});
  }
  RETURN_IF_ERROR(CheckIdentity(*record), "node");
  for (Item& item : items_) {
    if (item.grant) RETURN_IF_ERROR(RecordItem(transaction, item, *record), "record a credential");
    if (item.ruling) RETURN_IF_ERROR(RecordRuling(transaction, item), "record a decision");
  }
  if (!AnyNeedsEvidence() || !OfferEvidenceStep(context_, *record, now_, evidence_)) return {};
  return transaction.PutNode(*record);
}

Result<void> Issuing::RecordItem(Transaction& transaction, Item& item, const NodeRecord& record) {
  const CredentialRecord& credential = item.grant->record();
  ASSIGN_OR_RETURN(const auto entry, transaction.FindEntry(credential.entry), "find the entry");
  // Labels may have moved the node out of the entry's scope, or to another identity.
  const bool same =
      entry && entry->revision == item.entry_revision && record.labels == peer_.record.labels;
  item.refused = same ? std::nullopt : std::optional(EntryChanged());
  if (!same) return {};
  transaction.Audit(CredentialAuditRecord(credential, item.grant->ruling(), now_));
  return transaction.PutCredential(credential);
}

// What was granted has its line already.
Result<void> Issuing::RecordRuling(Transaction& transaction, const Item& item) const {
  const std::string& entry = item.request->entry_id;
  if (item.needs_evidence) {
    transaction.Audit(
        RulingRecord("credential.postponed", *item.ruling, peer_.record.id, entry, now_));
  } else if (item.refused) {
    transaction.Audit(RulingRecord("credential.refused", *item.ruling, peer_.record.id, entry, now_,
                                   item.ruling->allowed() ? item.refused->Name() : ""));
  }
  return transaction.PutDecision(DecisionRecordOf(*item.ruling, peer_.record.id, entry));
}

void Issuing::Commit(Reply<node::IssueResponse> reply) && {
  auto self = std::make_shared<Issuing>(std::move(*this));
  self->context_.store.Commit(
      [self](Transaction& transaction) { return self->Record(transaction); },
      [self, reply = std::move(reply)](Result<crypto::ChainHead> head) {
        reply(Guarded("the end of the issuance", [&]() -> Result<node::IssueResponse> {
          ASSIGN_OR_RETURN(const crypto::ChainHead committed, std::move(head),
                           "record the credentials");
          return self->Answer(committed);
        }));
      });
}

Result<node::IssueResponse> Issuing::Answer(const crypto::ChainHead& head) {
  std::vector<std::optional<RecordedGrant>> recorded(items_.size());
  RETURN_IF_ERROR(Recall(recorded), "credentials");
  node::IssueResponse response;
  for (size_t i = 0; i < items_.size(); ++i)
    *response.add_outcomes() = OutcomeOf(items_[i], recorded[i]);
  *response.mutable_audit_head() = HeadOf(head);
  response.set_time_unix_ms(context_.now().time_since_epoch().count());
  return response;
}

// Of what was granted and is recorded.
Result<void> Issuing::Recall(std::vector<std::optional<RecordedGrant>>& recorded) const {
  return context_.store.Read([&](View& view) -> Result<void> {
    for (size_t i = 0; i < items_.size(); ++i) {
      const auto& grant = items_[i].grant;
      if (!grant || items_[i].refused) continue;
      ASSIGN_OR_RETURN(recorded[i],
                       RecordedGrant::Recall(view, grant->record().serial, grant->tbs()),
                       "recall a credential");
    }
    return {};
  });
}

node::IssueOutcome Issuing::OutcomeOf(const Item& item,
                                      const std::optional<RecordedGrant>& recorded) {
  node::IssueOutcome outcome;
  if (item.refused) {
    *outcome.mutable_refused() = RefusalOf(*item.refused);
    if (item.ruling && !item.ruling->allowed())
      *outcome.mutable_refused()->mutable_decision() =
          DecisionOf(*item.ruling, peer_.record.id, item.request->entry_id);
  } else if (item.needs_evidence) {
    *outcome.mutable_needs_evidence() = evidence_;
  } else {
    auto signed_outcome = Sign(item.grant->record(), *recorded);
    if (signed_outcome) return *std::move(signed_outcome);
    *outcome.mutable_refused() = RefusalOf(signed_outcome.error());
  }
  return outcome;
}

Result<node::IssueOutcome> Issuing::Sign(const CredentialRecord& record,
                                         const RecordedGrant& recorded) {
  node::IssueOutcome outcome;
  if (recorded.kind() == CredentialKind::kJwt) {
    ASSIGN_OR_RETURN(std::string token, context_.authority.jwt().Sign(recorded), "JWT-SVID");
    outcome.mutable_jwt()->set_token(std::move(token));
    outcome.mutable_jwt()->set_issued_unix_ms(record.not_before.time_since_epoch().count());
    outcome.mutable_jwt()->set_expires_unix_ms(record.not_after.time_since_epoch().count());
    return outcome;
  }
  ASSIGN_OR_RETURN(const auto chain, context_.authority.Sign(recorded), "X.509-SVID");
  for (const crypto::Certificate& certificate : chain)
    outcome.mutable_x509()->add_certificates(attest::ToField(certificate.der()));
  return outcome;
}

}  // namespace

Result<void> Issuance::Charge(const PeerNode& peer) const {
  if (calls_.Allow(peer.record.id, platform::Uptime())) return {};
  return TooMany();
}

void Issuance::Issue(PeerNode peer, const node::IssueRequest& request, const std::string& source,
                     Reply<node::IssueResponse> reply) const {
  const auto items = static_cast<uint32_t>(
      std::min<size_t>(static_cast<size_t>(request.items_size()), kMaxIssueItems));
  if (!items_.Allow(peer.record.id, platform::Uptime(), items)) return reply(TooMany());
  Issuing work(context_, std::move(peer), SceneOf(context_, source, context_.now()));
  if (auto decided = work.Decide(request); !decided)
    return reply(std::unexpected(std::move(decided.error()).Wrapped("issue")));
  std::move(work).Commit(std::move(reply));
}

}  // namespace lodekey::issuer
