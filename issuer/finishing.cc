#include "issuer/finishing.h"

#include "attest/appraisal_rules.h"
#include "attest/codec.h"
#include "attest/key_rules.h"
#include "base/guarded.h"
#include "issuer/audit_record.h"
#include "issuer/decision_record.h"
#include "issuer/devid.h"
#include "issuer/next_step.h"
#include "issuer/quarantine.h"
#include "issuer/standing_log.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

// The subject a challenge was made for. It was parsed before it was sealed; it is parsed again
// because bytes are all that travels.
Result<attest::Subject> SubjectOf(const Context& context, const Challenge& challenge,
                                  const NodeRecord& record) {
  ASSIGN_OR_RETURN(tpm::PublicArea ak, attest::ReadAttestationKey(challenge.ak_public),
                   "attestation key");
  ASSIGN_OR_RETURN(tpm::PublicArea node_key, attest::ReadNodeKey(challenge.node_key_public),
                   "node key");
  return attest::Subject{.trust_domain = context.config.trust_domain,
                         .node_id = record.id,
                         .group = record.Group(),
                         .ak = std::move(ak),
                         .node_key = std::move(node_key)};
}

Result<std::optional<attest::EarlierEnrolment>> EarlierOf(const NodeRecord& record, Time now) {
  if (!record.enrolment) return std::optional<attest::EarlierEnrolment>();
  ASSIGN_OR_RETURN(const tpm::PublicArea ak, tpm::PublicArea::Parse(record.enrolment->ak_public),
                   "earlier enrolment");
  attest::EarlierEnrolment earlier{.ak_name = ak.name(),
                                   .clock = record.enrolment->clock,
                                   .firmware_version = record.enrolment->firmware_version,
                                   .static_pcrs = record.enrolment->static_pcrs,
                                   .boot_log_digest = record.enrolment->boot_log_digest,
                                   .ledger_pcr = record.enrolment->ledger_pcr,
                                   .ledger = record.enrolment->ledger};
  if (record.reset_count_decreased) earlier.since_decrease = now - *record.reset_count_decreased;
  return earlier;
}

// An enrolment that continues the boot keeps the static PCRs of its first evidence.
tpm::PcrBank StaticPcrs(const std::optional<attest::EarlierEnrolment>& earlier,
                        const attest::Proved& proved) {
  return earlier && attest::rules::InEarlierBoot(*earlier, proved) ? earlier->static_pcrs
                                                                   : proved.pcrs;
}

}  // namespace

Result<Finishing> Finishing::Of(Context& context, ProvedHost host) {
  if (host.record.revision == 0)
    host.record = NewNode(host.record.id, host.admission, host.scene.now);
  BindDevId(host);
  ASSIGN_OR_RETURN(attest::Subject subject, SubjectOf(context, host.challenge, host.record),
                   "subject");
  return Finishing(context, std::move(host), std::move(subject));
}

bool Finishing::MakesNode() const { return record_.revision == 0 && decision_->binding(); }

std::string Finishing::Reason() const {
  return quarantine_.empty() && decision_ ? FirstFailure(decision_->failed()) : quarantine_;
}

Result<void> Finishing::Judge(const node::FinishEnrolmentRequest& request) {
  const Time now = scene_.now;
  ASSIGN_OR_RETURN(attest::Evidence evidence, attest::DecodeEvidence(request.evidence()),
                   "evidence");
  ASSIGN_OR_RETURN(const attest::Certification certification,
                   attest::DecodeCertification(request.node_key()), "node key");
  const auto policy = context_.policy.Current();
  ASSIGN_OR_RETURN(const attest::References references,
                   LoadReferences(context_.store, subject_.group, policy->appraisal.bank),
                   "references");
  ASSIGN_OR_RETURN(earlier_, EarlierOf(record_, now), "node record");
  verdict_ = attest::AppraiseEnrolment(subject_,
                                       {.nonce = challenge_.nonce,
                                        .activation_secret = challenge_.activation_secret.Reveal(),
                                        .earlier = earlier_,
                                        .approved_ak = record_.approved_ak},
                                       certification, evidence, references, policy->appraisal);
  decision_ = DecideStanding(*policy, scene_, record_, attest::AssuranceName(challenge_.assurance),
                             *verdict_, challenge_.made);
  const Decision& decision = *decision_;
  *response_.mutable_verdict() = EncodeVerdict(*verdict_, decision, record_.id, now);
  if (decision.allowed()) {
    ASSIGN_OR_RETURN(grant_,
                     Grant::ForNode(decision,
                                    {.node = record_.id,
                                     .key = subject_.node_key.key(),
                                     .evidence_time = challenge_.made,
                                     .now = now},
                                    context_.authority),
                     "node certificate");
    RETURN_IF_ERROR(Enrol(evidence, now), "enrol");
  }
  if (decision.binding()) record_.standing = decision.standing();
  Remember(evidence, now);
  return {};
}

Result<void> Finishing::Enrol(const attest::Evidence& evidence, Time now) {
  const attest::Proved& proved = *verdict_->proved();
  record_.enrolment =
      Enrolment{.ek_public = challenge_.ek_public,
                .ak_public = challenge_.ak_public,
                .node_key_public = challenge_.node_key_public,
                .enrolled = now,
                .assurance = std::string(attest::AssuranceName(challenge_.assurance)),
                .firmware_version = proved.firmware_version,
                .clock = proved.clock,
                .evidence_time = challenge_.made,
                .pcrs = proved.pcrs,
                .static_pcrs = StaticPcrs(earlier_, proved),
                .boot_log_digest = evidence.boot_log_digest,
                .ledger_pcr = evidence.ledger_pcr,
                .ledger = evidence.ledger.value_or(Bytes{}),
                .ima_bytes = evidence.ima_offset == 0 ? evidence.ima_chunk.size() : 0,
                .serial = grant_->record().serial,
                .not_after = grant_->record().not_after,
                .facts = verdict_->facts()};
  if (earlier_ && proved.clock.reset_count < earlier_->clock.reset_count)
    record_.reset_count_decreased = now;
  record_.nonces.clear();
  record_.approved_ak.clear();
  record_.pending_ak.reset();
  if (evidence.ima_offset == 0) ima_chunk_ = evidence.ima_chunk;
  *response_.mutable_next() = OfferNextStep(context_, record_, now);
  *response_.mutable_bundle() = BundleOf(context_.authority);
  return {};
}

void Finishing::Remember(const attest::Evidence& evidence, Time now) {
  if (verdict_->by_new_ak() && !decision_->allowed())
    record_.pending_ak = PendingAk{.ak_name = subject_.ak.name(), .seen = now};
  record_.last_verdict = response_.verdict().SerializeAsString();
  if (verdict_->proved()) record_.last_pcrs = verdict_->proved()->pcrs;
  record_.last_seen = now;
  record_.updated = now;
  // A log that was not accepted is nobody's evidence, and would fill the disk.
  if (decision_->allowed()) boot_log_ = evidence.boot_log;
  if (MakesNode()) {
    audit_.push_back(OperatorRecord(
        {.event = "node.allowed", .actor = "policy", .node = record_.id, .before = "new"}, now));
  }
  audit_.push_back(
      EvidenceRecord({.event = decision_->allowed() ? "node.enrolled" : "node.enrolment-refused",
                      .node = record_.id,
                      .decision = *decision_,
                      .standing = record_.standing,
                      .admission = &admission_},
                     now));
  quarantine_ = QuarantineReason(*verdict_);
  if (!quarantine_.empty()) audit_.push_back(QuarantineRecord(record_.id, quarantine_, now));
  if (grant_) audit_.push_back(CredentialAuditRecord(grant_->record(), grant_->ruling(), now));
}

Result<void> Finishing::Record(Transaction& transaction) const {
  RETURN_IF_ERROR(transaction.UseChallenge(challenge_.id, challenge_.expires), "use the challenge");
  for (const std::string& record : audit_) transaction.Audit(record);
  // Of a host that nobody knows a refused message says nothing: that it came is on record, in as
  // many lines as strangers have calls, and that is all.
  if (record_.revision == 0 && !MakesNode()) return {};
  RETURN_IF_ERROR(transaction.PutNode(record_), "store the node");
  RETURN_IF_ERROR(transaction.PutDecision(DecisionRecordOf(admission_, record_.id)),
                  "store the decision on its admission");
  if (decision_->ruling()) {
    RETURN_IF_ERROR(transaction.PutDecision(DecisionRecordOf(*decision_->ruling(), record_.id)),
                    "store the decision on its standing");
  }
  if (grant_) {
    RETURN_IF_ERROR(transaction.PutCredential(grant_->record()), "store the credential");
  }
  if (boot_log_) {
    RETURN_IF_ERROR(transaction.PutLog(crypto::Sha256(*boot_log_), *boot_log_, record_.updated),
                    "store the boot log");
  }
  if (!grant_ || ima_chunk_.empty()) return {};
  return transaction.AppendIma(record_.id, 0, ima_chunk_);
}

void Finishing::Commit(Reply<node::FinishEnrolmentResponse> reply) && {
  auto self = std::make_shared<Finishing>(std::move(*this));
  const auto change = [self](Transaction& transaction) { return self->Record(transaction); };
  self->context_.store.Commit(change, [self,
                                       reply = std::move(reply)](Result<crypto::ChainHead> head) {
    reply(Guarded("the end of the enrolment", [&]() -> Result<node::FinishEnrolmentResponse> {
      ASSIGN_OR_RETURN(const crypto::ChainHead committed, std::move(head), "record the enrolment");
      LogStanding(self->record_.id, self->before_, self->record_.standing, self->Reason());
      if (self->record_.standing != self->before_) self->context_.node_changed(self->record_.id);
      *self->response_.mutable_audit_head() = HeadOf(committed);
      self->response_.set_time_unix_ms(self->context_.now().time_since_epoch().count());
      if (!self->grant_) return self->response_;
      ASSIGN_OR_RETURN(const RecordedGrant recorded,
                       RecordedGrant::Recall(self->context_.store, self->grant_->record().serial,
                                             self->grant_->tbs()),
                       "node certificate");
      ASSIGN_OR_RETURN(const auto chain, self->context_.authority.Sign(recorded),
                       "node certificate");
      *self->response_.mutable_identity() = IdentityOf(chain);
      return self->response_;
    }));
  });
}

}  // namespace lodekey::issuer
