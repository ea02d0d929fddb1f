#include "issuer/attestation.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/codec.h"
#include "base/guarded.h"
#include "issuer/audit_record.h"
#include "issuer/decision_record.h"
#include "issuer/grant.h"
#include "issuer/next_step.h"
#include "issuer/quarantine.h"
#include "issuer/standing_log.h"
#include "issuer/strangers.h"
#include "platform/clock.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

constexpr uint64_t kMaxStoredIma = uint64_t{64} << 20;  // bytes of one boot's list

// A reply as it is kept with its nonce: when the request comes again, what was recorded is signed
// again.
Bytes EncodeReply(const node::AttestResponse& response, ByteView serial, ByteView tbs) {
  node::StoredReply stored;
  *stored.mutable_response() = response;
  stored.set_serial(attest::ToField(serial));
  stored.set_tbs(attest::ToField(tbs));
  return ToBytes(stored.SerializeAsString());
}

Result<node::AttestResponse> FinishReply(const Context& context, node::AttestResponse response,
                                         ByteView serial, ByteView tbs) {
  *response.mutable_bundle() = BundleOf(context.authority);
  response.set_time_unix_ms(context.now().time_since_epoch().count());
  if (tbs.empty()) return response;
  const auto recorded = RecordedGrant::Recall(context.store, serial, tbs);
  // Voided by a crash: the reply stands without it, and the next one brings another.
  if (!recorded && recorded.error().code == Code::kConflict) return response;
  if (!recorded) return std::unexpected(recorded.error());
  ASSIGN_OR_RETURN(const auto chain, context.authority.Sign(*recorded), "node certificate");
  *response.mutable_identity() = IdentityOf(chain);
  return response;
}

Result<node::AttestResponse> RepeatReply(const Context& context, const IssuedNonce& nonce) {
  node::StoredReply stored;
  if (!stored.ParseFromArray(nonce.reply.data(), static_cast<int>(nonce.reply.size()))) {
    return Fail(Code::kInternal, "the stored reply does not parse");
  }
  return FinishReply(context, stored.response(), AsBytes(stored.serial()), AsBytes(stored.tbs()));
}

Result<void> CheckNonceTime(const IssuedNonce& nonce, Time now) {
  // A wall clock that was set back must not lengthen the life of what was made later.
  if (now < nonce.made)
    return Fail(Code::kTimeout, "the nonce is from the future", {.name = "nonce-not-yet-valid"});
  if (now >= nonce.expires)
    return Fail(Code::kTimeout, "the nonce has expired", {.name = "nonce-expired"});
  return {};
}

attest::EnrolledState StateOf(const Enrolment& enrolment) {
  return {.clock = enrolment.clock,
          .firmware_version = enrolment.firmware_version,
          .pcrs = enrolment.pcrs,
          .static_pcrs = enrolment.static_pcrs,
          .boot_log_digest = enrolment.boot_log_digest,
          .ledger_pcr = enrolment.ledger_pcr,
          .ledger = enrolment.ledger};
}

// About the nonce, before or instead of an appraisal.
lodekey::verdict::v1::Verdict NonceVerdict(lodekey::verdict::v1::Verdict::Outcome outcome,
                                           const attest::FailedRule& failed, Time now) {
  lodekey::verdict::v1::Verdict verdict;
  verdict.set_outcome(outcome);
  verdict.set_judged_unix_ms(now.time_since_epoch().count());
  auto* rule = verdict.add_failed();
  rule->set_code(failed.code);
  rule->set_subject(failed.subject);
  rule->set_expected(failed.expected);
  rule->set_seen(failed.seen);
  rule->set_accept(failed.accept);
  return verdict;
}

// One Attest from identified peer to reply.
class Attesting {
 public:
  Attesting(const Context& context, PeerNode peer, PolicyScene scene)
      : context_(context),
        peer_(std::move(peer)),
        scene_(std::move(scene)),
        before_(peer_.record.standing) {}

  void OfferNonce(Time now) { *response_.mutable_next() = OfferNextStep(context_, record(), now); }
  // Answers that the message is refused, and offers a new nonce; the node's standing is unchanged.
  void RefuseMessage(const Error& error, Time now);
  Result<void> Judge(IssuedNonce& nonce, const node::AttestRequest& request,
                     ByteView request_digest, Time now);
  // A second message over a used nonce: noise, or a clone that can sign.
  Result<void> JudgeReuse(const IssuedNonce& nonce, const node::AttestRequest& request, Time now);
  void Commit(Reply<node::AttestResponse> reply) &&;
  NodeRecord& record() { return peer_.record; }

 private:
  // Why the standing is what it is; empty: all is well.
  std::string Reason() const {
    return quarantine_.empty() && decision_ ? FirstFailure(decision_->failed()) : quarantine_;
  }
  Result<void> Accept(const IssuedNonce& nonce, const attest::Evidence& evidence, Time now);
  // What became of the evidence, for the audit log.
  void Report(std::string_view event, Time now) {
    audit_.push_back(EvidenceRecord({.event = event,
                                     .node = record().id,
                                     .decision = *decision_,
                                     .standing = record().standing},
                                    now));
  }
  void AcceptIma(const attest::Evidence& evidence);

  const Context& context_;
  PeerNode peer_;
  PolicyScene scene_;
  std::optional<attest::Verdict> verdict_;
  std::optional<Decision> decision_;
  std::optional<Grant> grant_;
  Standing before_;
  std::string quarantine_;  // why; empty: it is not
  std::vector<std::string> audit_;
  std::optional<Bytes> boot_log_;
  uint64_t ima_offset_ = 0;
  Bytes ima_chunk_;
  node::AttestResponse response_;
};

void Attesting::RefuseMessage(const Error& error, Time now) {
  *response_.mutable_verdict() = NonceVerdict(lodekey::verdict::v1::Verdict::MESSAGE_REFUSED,
                                              {.code = std::string(error.Name()),
                                               .subject = "nonce",
                                               .seen = error.text,
                                               .accept = "Evidence for the nonce of this reply."},
                                              now);
  OfferNonce(now);
}

Result<void> Attesting::Judge(IssuedNonce& nonce, const node::AttestRequest& request,
                              ByteView request_digest, Time now) {
  ASSIGN_OR_RETURN(const attest::Evidence evidence, attest::DecodeEvidence(request.evidence()),
                   "evidence");
  const auto policy = context_.policy.Current();
  ASSIGN_OR_RETURN(const attest::References references,
                   LoadReferences(context_.store, peer_.subject.group, policy->appraisal.bank),
                   "references");
  verdict_ = attest::AppraiseEvidence(peer_.subject, nonce.value, StateOf(*record().enrolment),
                                      evidence, references, policy->appraisal);
  decision_ = DecideStanding(*policy, scene_, record(), record().enrolment->assurance, *verdict_,
                             nonce.made);
  const Decision& decision = *decision_;
  *response_.mutable_verdict() = EncodeVerdict(*verdict_, decision, record().id, now);
  // A refused message changes no standing, and leaves the nonce to the evidence it was made for. A
  // new nonce is offered, and the refusal is on record.
  if (!decision.binding()) {
    Report("message.refused", now);
    OfferNonce(now);
    return {};
  }
  nonce.request_digest = ToBytes(request_digest);
  const Bytes used = nonce.value;
  if (decision.allowed()) RETURN_IF_ERROR(Accept(nonce, evidence, now), "accept");
  record().standing = decision.standing();
  record().last_verdict = response_.verdict().SerializeAsString();
  record().last_pcrs = verdict_->proved()->pcrs;
  record().last_seen = record().updated = now;
  Report(decision.allowed() ? "node.attested" : "node.refused", now);
  quarantine_ = QuarantineReason(*verdict_);
  if (!quarantine_.empty()) audit_.push_back(QuarantineRecord(record().id, quarantine_, now));
  if (grant_) audit_.push_back(CredentialAuditRecord(grant_->record(), grant_->ruling(), now));
  OfferNonce(now);
  const auto kept = std::ranges::find(record().nonces, used, &IssuedNonce::value);
  if (kept != record().nonces.end()) {
    kept->reply = grant_ ? EncodeReply(response_, grant_->record().serial, grant_->tbs())
                         : EncodeReply(response_, {}, {});
  }
  return {};
}

Result<void> Attesting::JudgeReuse(const IssuedNonce& nonce, const node::AttestRequest& request,
                                   Time now) {
  ASSIGN_OR_RETURN(const attest::Evidence evidence, attest::DecodeEvidence(request.evidence()),
                   "evidence");
  if (!attest::IsAuthentic(peer_.subject, nonce.value, evidence)) {
    RefuseMessage(
        {.code = Code::kUntrusted, .text = "the nonce was used already", .name = "nonce-used"},
        now);
    return {};
  }
  record().standing = Standing::kQuarantined;
  record().last_verdict =
      NonceVerdict(lodekey::verdict::v1::Verdict::NODE_QUARANTINED,
                   {.code = "nonce-reused",
                    .subject = "nonce",
                    .expected = "one answer",
                    .seen = "a second one with a valid quote",
                    .accept = fmt::format("Find the second machine that has a copy of this TPM, "
                                          "and stop it; then: lodekey node remove {0}, lodekey "
                                          "node allow {0}",
                                          record().id)},
                   now)
          .SerializeAsString();
  record().updated = now;
  quarantine_ = "nonce-reused: a second valid quote over one nonce: a clone is possible";
  audit_.push_back(QuarantineRecord(record().id, quarantine_, now));
  return {};
}

Result<void> Attesting::Accept(const IssuedNonce& nonce, const attest::Evidence& evidence,
                               Time now) {
  Enrolment& enrolment = *record().enrolment;
  const attest::Proved& proved = *verdict_->proved();
  enrolment.clock = proved.clock;
  enrolment.firmware_version = proved.firmware_version;
  enrolment.pcrs = proved.pcrs;
  enrolment.evidence_time = nonce.made;
  enrolment.facts = verdict_->facts();
  if (evidence.ledger) enrolment.ledger = *evidence.ledger;
  boot_log_ = evidence.boot_log;
  AcceptIma(evidence);
  // By the certificate that was presented: a renewed one may never have reached the node.
  if (peer_.not_after - now >= context_.config.node_ttl / 2 &&
      record().standing == Standing::kActive)
    return {};
  ASSIGN_OR_RETURN(grant_,
                   Grant::ForNode(*decision_,
                                  {.node = record().id,
                                   .key = peer_.subject.node_key.key(),
                                   .evidence_time = nonce.made,
                                   .now = now},
                                  context_.authority),
                   "node certificate");
  enrolment.serial = grant_->record().serial;
  enrolment.not_after = grant_->record().not_after;
  return {};
}

// Only what continues the stored list is taken; the reply says from where to send next.
void Attesting::AcceptIma(const attest::Evidence& evidence) {
  const uint64_t stored = record().enrolment->ima_bytes;
  if (evidence.ima_chunk.empty() || evidence.ima_offset != stored ||
      stored + evidence.ima_chunk.size() > kMaxStoredIma)
    return;
  ima_offset_ = evidence.ima_offset;
  ima_chunk_ = evidence.ima_chunk;
  record().enrolment->ima_bytes += evidence.ima_chunk.size();
}

void Attesting::Commit(Reply<node::AttestResponse> reply) && {
  auto self = std::make_shared<Attesting>(std::move(*this));
  const auto change = [self](Transaction& transaction) -> Result<void> {
    RETURN_IF_ERROR(transaction.PutNode(self->record()), "store the node");
    if (self->decision_ && self->decision_->ruling()) {
      RETURN_IF_ERROR(
          transaction.PutDecision(DecisionRecordOf(*self->decision_->ruling(), self->record().id)),
          "store the decision");
    }
    for (const std::string& record : self->audit_) transaction.Audit(record);
    if (self->grant_)
      RETURN_IF_ERROR(transaction.PutCredential(self->grant_->record()), "store the credential");
    if (self->boot_log_) {
      RETURN_IF_ERROR(transaction.PutLog(crypto::Sha256(*self->boot_log_), *self->boot_log_,
                                         self->record().updated),
                      "store the boot log");
    }
    if (!self->ima_chunk_.empty()) {
      RETURN_IF_ERROR(transaction.AppendIma(self->record().id, self->ima_offset_, self->ima_chunk_),
                      "store the IMA list");
    }
    return {};
  };
  self->context_.store.Commit(
      change, [self, reply = std::move(reply)](Result<crypto::ChainHead> head) {
        reply(Guarded("the end of the attestation", [&]() -> Result<node::AttestResponse> {
          ASSIGN_OR_RETURN(const crypto::ChainHead committed, std::move(head),
                           "record the attestation");
          LogStanding(self->record().id, self->before_, self->record().standing, self->Reason());
          if (self->record().standing != self->before_)
            self->context_.node_changed(self->record().id);
          *self->response_.mutable_audit_head() = HeadOf(committed);
          if (self->record().standing == Standing::kQuarantined && !self->verdict_) {
            return Fail(Code::kDenied, "the node is quarantined",
                        {.name = "node-quarantined",
                         .advice = "On the issuer: lodekey explain --node " + self->record().id});
          }
          if (!self->grant_) return FinishReply(self->context_, self->response_, {}, {});
          return FinishReply(self->context_, self->response_, self->grant_->record().serial,
                             self->grant_->tbs());
        }));
      });
}

// What the message asks for: a nonce, the reply to a request that came before, or a judgement.
Result<void> Answer(const Context& context, Attesting& work, const node::AttestRequest& request,
                    Time now, std::optional<node::AttestResponse>& repeated) {
  if (request.nonce().empty()) {
    work.OfferNonce(now);
    return {};
  }
  auto& nonces = work.record().nonces;
  const auto nonce =
      std::ranges::find(nonces, attest::FromField(request.nonce()), &IssuedNonce::value);
  if (nonce == nonces.end()) {
    work.RefuseMessage({.code = Code::kUntrusted,
                        .text = "the nonce is not one that this node was given",
                        .name = "nonce-unknown"},
                       now);
    return {};
  }
  if (const auto in_time = CheckNonceTime(*nonce, now); !in_time) {
    work.RefuseMessage(in_time.error(), now);
    return {};
  }
  const auto digest = crypto::Sha256(AsBytes(request.SerializeAsString()));
  if (Equal(nonce->request_digest, digest)) {
    ASSIGN_OR_RETURN(repeated, RepeatReply(context, *nonce), "repeat a reply");
    return {};
  }
  if (!nonce->request_digest.empty()) return work.JudgeReuse(*nonce, request, now);
  return work.Judge(*nonce, request, digest, now);
}

}  // namespace

Result<PeerNode> Attestation::Identify(const crypto::Certificate& certificate) const {
  return FindPeerNode(context_, areas_, certificate, context_.now());
}

Result<void> Attestation::Charge(const PeerNode& peer) const {
  if (limit_.Allow(peer.record.id, platform::Uptime())) return {};
  return Fail(
      Code::kUnavailable, "the node attests too often",
      {.name = std::string(kTooManyAttestations), .advice = "It is tried again by itself."});
}

void Attestation::Attest(PeerNode peer, const node::AttestRequest& request,
                         const std::string& source, Reply<node::AttestResponse> reply) const {
  const Time now = context_.now();
  Attesting work(context_, std::move(peer), SceneOf(context_, source, now));
  std::optional<node::AttestResponse> repeated;
  auto answered = Answer(context_, work, request, now, repeated);
  if (!answered) return reply(std::unexpected(std::move(answered.error()).Wrapped("attest")));
  if (repeated) return reply(*std::move(repeated));
  std::move(work).Commit(std::move(reply));
}

PolicyScene SceneOf(const Context& context, const std::string& source, Time now) {
  return {.trust_domain = context.config.trust_domain, .source = source, .now = now};
}

Result<attest::References> LoadReferences(Store& store, const std::string& group,
                                          crypto::HashAlg bank) {
  attest::References references;
  RETURN_IF_ERROR(store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(const auto found, view.ListReferences(group), "reference values");
    for (const ReferencePcr& reference : found) {
      if (reference.bank == bank) references[reference.pcr].push_back(reference.value);
    }
    return {};
  }),
                  "reference values");
  return references;
}

}  // namespace lodekey::issuer
