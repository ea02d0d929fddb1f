#include "issuer/admission.h"

#include <memory>

#include <fmt/format.h>

#include "issuer/audit_record.h"
#include "issuer/decision_record.h"
#include "issuer/devid.h"
#include "issuer/standing_log.h"
#include "issuer/waiting_room.h"

namespace lodekey::issuer {
namespace {

// A host that comes again this soon is not written down again.
constexpr Duration kSeenAgain = std::chrono::minutes(1);

Error ApprovalPending(const NodeId& id) {
  return {.code = Code::kDenied,
          .text = "the host proved its TPM, and an operator has to approve it",
          .name = "approval-pending",
          .advice = "On the issuer: lodekey node approve " + id};
}

// What an operator sees of it. Absent is what it did not show.
std::map<std::string, std::string> ShownBy(const ProvedHost& host) {
  std::map<std::string, std::string> shown = {
      {"assurance", std::string(attest::AssuranceName(host.facts.assurance))},
      {"manufacturer", host.facts.manufacturer},
      {"source", host.scene.source}};
  if (host.facts.devid) shown["devid"] = DevIdName(*host.facts.devid);
  std::erase_if(shown, [](const auto& item) { return item.second.empty(); });
  return shown;
}

// Where it comes from is not news in itself: addresses are leased.
bool IsNews(const NodeRecord& record, std::map<std::string, std::string> shown,
            const Ruling& admission) {
  auto before = record.shown;
  before.erase("source");
  shown.erase("source");
  return before != shown || record.labels != admission.output().labels;
}

bool SeenLately(const NodeRecord& record, Time now) {
  return now >= record.last_seen && now - record.last_seen < kSeenAgain;
}

Result<void> RecordPending(Transaction& transaction, const ProvedHost& host, bool is_new) {
  RETURN_IF_ERROR(transaction.UseChallenge(host.challenge.id, host.challenge.expires),
                  "use the challenge");
  if (is_new) RETURN_IF_ERROR(MakeRoom(transaction, host.record, host.scene.now), "room");
  RETURN_IF_ERROR(transaction.PutNode(host.record), "store the node");
  RETURN_IF_ERROR(transaction.PutDecision(DecisionRecordOf(host.admission, host.record.id)),
                  "store the decision");
  transaction.Audit(
      RulingRecord("node.pending", host.admission, host.record.id, {}, host.scene.now));
  return {};
}

Result<void> RecordRefusal(Transaction& transaction, const ProvedHost& host) {
  RETURN_IF_ERROR(transaction.UseChallenge(host.challenge.id, host.challenge.expires),
                  "use the challenge");
  RETURN_IF_ERROR(transaction.PutDecision(DecisionRecordOf(host.admission, host.record.id)),
                  "store the decision");
  transaction.Audit(
      RulingRecord("node.admission-refused", host.admission, host.record.id, {}, host.scene.now));
  return {};
}

}  // namespace

bool IsStranger(const NodeRecord& record) {
  return record.revision == 0 || record.standing == Standing::kPending;
}

Ruling Admit(const Context& context, const PolicyScene& scene, const NodeRecord& record,
             const AdmissionFacts& facts) {
  return context.policy.Decide(PolicyPoint::kAdmission, AdmissionInput(scene, record, facts),
                               scene.now);
}

bool NeedsApproval(const NodeRecord& record, const Ruling& admission) {
  return IsStranger(record) && admission.output().approval;
}

NodeRecord NewNode(const NodeId& id, const Ruling& admission, Time now) {
  return {.id = id,
          .standing = Standing::kAllowed,
          .labels = admission.output().labels,
          .created = now,
          .updated = now,
          .ek_hashes = {id}};
}

void RefuseAdmission(const Context& context, ProvedHost host, EnrolmentReply reply) {
  const Error refusal = RefusalError(host.admission);
  if (IsStranger(host.record)) return reply(std::unexpected(refusal));
  const auto refused = std::make_shared<const ProvedHost>(std::move(host));
  context.store.Commit(
      [refused](Transaction& transaction) { return RecordRefusal(transaction, *refused); },
      [refusal, reply = std::move(reply)](const Result<crypto::ChainHead>& recorded) {
        reply(std::unexpected(recorded ? refusal : recorded.error()));
      });
}

void AwaitApproval(const Context& context, ProvedHost host, EnrolmentReply reply) {
  const Time now = host.scene.now;
  const bool is_new = host.record.revision == 0;
  auto shown = ShownBy(host);
  const Error pending = ApprovalPending(host.record.id);
  if (!is_new && SeenLately(host.record, now) && !IsNews(host.record, shown, host.admission))
    return reply(std::unexpected(pending));
  if (is_new) host.record = NewNode(host.record.id, host.admission, now);
  BindDevId(host);
  host.record.labels = host.admission.output().labels;
  host.record.standing = Standing::kPending;
  host.record.shown = std::move(shown);
  host.record.last_seen = host.record.updated = now;
  const auto waiting = std::make_shared<const ProvedHost>(std::move(host));
  context.store.Commit(
      [waiting, is_new](Transaction& transaction) {
        return RecordPending(transaction, *waiting, is_new);
      },
      [waiting, is_new, pending,
       reply = std::move(reply)](const Result<crypto::ChainHead>& recorded) {
        if (recorded && is_new)
          LogStanding(waiting->record.id, Standing::kAllowed, Standing::kPending, {});
        reply(std::unexpected(recorded ? pending : recorded.error()));
      });
}

}  // namespace lodekey::issuer
