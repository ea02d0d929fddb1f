#include "issuer/enroller.h"

#include <fmt/format.h>

#include "attest/codec.h"
#include "attest/key_rules.h"
#include "base/guarded.h"
#include "issuer/audit_record.h"
#include "issuer/grant.h"
#include "issuer/next_step.h"
#include "issuer/quarantine.h"
#include "issuer/standing_log.h"
#include "platform/clock.h"
#include "tpm/make_credential.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

constexpr int kMaxEndorsementKeys = 8;
constexpr size_t kSecretSize = 32;
// Starting and finishing; whoever knows a node's endorsement key can spend no more than this.
constexpr uint32_t kCallsPerNode = 10;

Result<void> CheckBounds(const node::StartEnrolmentRequest& request) {
  size_t bytes = 0;
  int certificates = request.certificate_chain_size();
  for (const auto& key : request.endorsement_keys()) {
    bytes += key.certificate().size();
    certificates += key.certificate().empty() ? 0 : 1;
  }
  for (const auto& certificate : request.certificate_chain()) bytes += certificate.size();
  const bool fits = request.endorsement_keys_size() >= 1 &&
                    request.endorsement_keys_size() <= kMaxEndorsementKeys &&
                    certificates <= static_cast<int>(attest::kMaxEkCertificates) &&
                    bytes <= attest::kMaxEkChainBytes;
  if (fits) return {};
  return Fail(
      Code::kInvalidArgument,
      fmt::format("an enrolment has 1 to {} endorsement keys and at most {} certificates of {} "
                  "bytes in all",
                  kMaxEndorsementKeys, attest::kMaxEkCertificates, attest::kMaxEkChainBytes),
      {.name = "request-too-large"});
}

Result<void> CheckStanding(const NodeRecord& record) {
  if (record.standing == Standing::kRemoved) {
    return Fail(
        Code::kDenied, "the node was removed",
        {.name = "node-removed",
         .advice = "On the issuer, if it is to come back: lodekey node allow " + record.id});
  }
  if (record.standing == Standing::kQuarantined) {
    return Fail(Code::kDenied, "the node is quarantined",
                {.name = "node-quarantined",
                 .advice = "On the issuer: lodekey explain --node " + record.id});
  }
  return {};
}

Result<NodeRecord> FindNode(const Context& context, const std::string& ek_hash) {
  std::optional<NodeRecord> record;
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(record, view.FindNodeByEk(ek_hash), "look the endorsement key up");
    return {};
  }),
                  "inventory");
  if (!record) {
    return Fail(
        Code::kDenied, fmt::format("the inventory has no endorsement key {}", ek_hash),
        {.name = "ek-not-in-inventory", .advice = "On the issuer: lodekey node allow " + ek_hash});
  }
  RETURN_IF_ERROR(CheckStanding(*record), "inventory");
  return *std::move(record);
}

Result<attest::Assurance> Assure(const Context& context, const attest::EndorsementKey& ek,
                                 const node::StartEnrolmentRequest& request) {
  std::vector<Bytes> chain;
  for (const auto& certificate : request.certificate_chain())
    chain.push_back(attest::FromField(certificate));
  const auto stored = AsBytes(request.endorsement_keys(0).certificate());
  ASSIGN_OR_RETURN(const attest::EkAppraisal appraisal,
                   attest::AppraiseEkCertificate(ek.area, stored, chain, context.roots),
                   "endorsement certificate");
  if (appraisal.assurance >= context.config.minimum_assurance) return appraisal.assurance;
  return Fail(
      Code::kDenied,
      fmt::format("the TPM gives assurance '{}', '{}' is required: {}",
                  attest::AssuranceName(appraisal.assurance),
                  attest::AssuranceName(context.config.minimum_assurance), appraisal.explanation),
      {.name = appraisal.reason.empty() ? "assurance-too-low" : appraisal.reason,
       .advice = "On the issuer: add the TPM vendor's root to admission.vendor_roots, or lower "
                 "admission.minimum_assurance."});
}

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
  const bool same_boot = earlier && proved.clock.reset_count <= earlier->clock.reset_count;
  return same_boot ? earlier->static_pcrs : proved.pcrs;
}

// One FinishEnrolment from opened challenge to reply.
class Finishing {
 public:
  Finishing(Context& context, Challenge challenge, NodeRecord record, attest::Subject subject)
      : context_(context),
        challenge_(std::move(challenge)),
        record_(std::move(record)),
        subject_(std::move(subject)),
        before_(record_.standing) {}

  Result<void> Judge(const node::FinishEnrolmentRequest& request, Time now);
  void Commit(Reply<node::FinishEnrolmentResponse> reply) &&;

 private:
  // Why the standing is what it is; empty: all is well.
  std::string Reason() const {
    return quarantine_.empty() && verdict_ ? FirstFailure(*verdict_) : quarantine_;
  }
  Result<void> Enrol(const attest::Evidence& evidence, Time now);
  void Remember(const attest::Evidence& evidence, Time now);

  Context& context_;
  Challenge challenge_;
  NodeRecord record_;
  attest::Subject subject_;
  std::optional<attest::EarlierEnrolment> earlier_;
  std::optional<attest::Verdict> verdict_;
  std::optional<Grant> grant_;
  Standing before_;
  std::string quarantine_;  // why; empty: it is not
  std::vector<std::string> audit_;
  std::optional<Bytes> boot_log_;
  Bytes ima_chunk_;
  node::FinishEnrolmentResponse response_;
};

Result<void> Finishing::Judge(const node::FinishEnrolmentRequest& request, Time now) {
  ASSIGN_OR_RETURN(attest::Evidence evidence, attest::DecodeEvidence(request.evidence()),
                   "evidence");
  ASSIGN_OR_RETURN(const attest::Certification certification,
                   attest::DecodeCertification(request.node_key()), "node key");
  ASSIGN_OR_RETURN(const attest::References references,
                   LoadReferences(context_.store, subject_.group, context_.config.appraisal.bank),
                   "references");
  ASSIGN_OR_RETURN(earlier_, EarlierOf(record_, now), "node record");
  verdict_ =
      attest::AppraiseEnrolment(subject_,
                                {.nonce = challenge_.nonce,
                                 .activation_secret = challenge_.activation_secret.Reveal(),
                                 .earlier = earlier_,
                                 .approved_ak = record_.approved_ak},
                                certification, evidence, references, context_.config.appraisal);
  const Decision decision = Decision::After(*verdict_);
  *response_.mutable_verdict() = attest::EncodeVerdict(*verdict_, now);
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
                .not_after = grant_->record().not_after};
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
  for (const attest::FailedRule& rule : verdict_->failed()) {
    const bool other_ak = rule.code == "ak-changed-in-boot" || rule.code == "ak-not-approved";
    if (other_ak) record_.pending_ak = PendingAk{.ak_name = subject_.ak.name(), .seen = now};
  }
  record_.last_verdict = response_.verdict().SerializeAsString();
  if (verdict_->proved()) record_.last_pcrs = verdict_->proved()->pcrs;
  record_.last_seen = now;
  record_.updated = now;
  // A log that was not accepted is nobody's evidence, and would fill the disk.
  if (verdict_->accepted()) boot_log_ = evidence.boot_log;
  audit_.push_back(VerdictRecord(verdict_->accepted() ? "node.enrolled" : "node.enrolment-refused",
                                 record_.id, *verdict_, record_.standing, now));
  quarantine_ = QuarantineReason(*verdict_);
  if (!quarantine_.empty()) audit_.push_back(QuarantineRecord(record_.id, quarantine_, now));
  if (grant_) audit_.push_back(CredentialAuditRecord(grant_->record(), now));
}

void Finishing::Commit(Reply<node::FinishEnrolmentResponse> reply) && {
  auto self = std::make_shared<Finishing>(std::move(*this));
  const auto change = [self](Transaction& transaction) -> Result<void> {
    RETURN_IF_ERROR(transaction.UseChallenge(self->challenge_.id, self->challenge_.expires),
                    "use the challenge");
    RETURN_IF_ERROR(transaction.PutNode(self->record_), "store the node");
    for (const std::string& record : self->audit_) transaction.Audit(record);
    if (self->grant_) {
      RETURN_IF_ERROR(transaction.PutCredential(self->grant_->record()), "store the credential");
    }
    if (self->boot_log_) {
      RETURN_IF_ERROR(transaction.PutLog(crypto::Sha256(*self->boot_log_), *self->boot_log_,
                                         self->record_.updated),
                      "store the boot log");
    }
    if (self->grant_ && !self->ima_chunk_.empty()) {
      RETURN_IF_ERROR(transaction.AppendIma(self->record_.id, 0, self->ima_chunk_),
                      "store the IMA list");
    }
    return {};
  };
  self->context_.store.Commit(change, [self,
                                       reply = std::move(reply)](Result<crypto::ChainHead> head) {
    reply(Guarded("the end of the enrolment", [&]() -> Result<node::FinishEnrolmentResponse> {
      ASSIGN_OR_RETURN(const crypto::ChainHead committed, std::move(head), "record the enrolment");
      LogStanding(self->record_.id, self->before_, self->record_.standing, self->Reason());
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

// The challenge that was made for whoever can show the secret in it.
Result<Challenge> OpenChallenge(const Context& context, const node::FinishEnrolmentRequest& request,
                                Time now) {
  ASSIGN_OR_RETURN(Challenge challenge, context.sealer.Open(AsBytes(request.sealed_state()), now),
                   "challenge");
  if (challenge.activation_secret.Matches(AsBytes(request.activation_secret()))) return challenge;
  return Fail(Code::kUntrusted, "the secret was not recovered by the TPM it was made for",
              {.name = "activation-secret",
               .advice = "Start the enrolment again on the host that holds this TPM."});
}

// Who starts an enrolment, as far as the inventory knows.
struct Applicant {
  attest::EndorsementKey ek;
  NodeRecord record;
};

Result<Applicant> Recognise(const Context& context, const node::StartEnrolmentRequest& request) {
  RETURN_IF_ERROR(CheckBounds(request), "admit");
  ASSIGN_OR_RETURN(attest::EndorsementKey ek,
                   attest::ReadEndorsementKey(AsBytes(request.endorsement_keys(0).public_())),
                   "admit");
  ASSIGN_OR_RETURN(NodeRecord record, FindNode(context, ToHex(ek.area.key().spki_sha256())),
                   "admit");
  return Applicant{.ek = std::move(ek), .record = std::move(record)};
}

// Who comes back with the challenge that it was given.
struct Returned {
  Challenge challenge;
  NodeRecord record;
};

Result<Returned> Recognise(const Context& context, const node::FinishEnrolmentRequest& request,
                           Time now) {
  ASSIGN_OR_RETURN(Challenge challenge, OpenChallenge(context, request, now), "admit");
  ASSIGN_OR_RETURN(NodeRecord record, FindNode(context, challenge.node_id), "admit");
  return Returned{.challenge = std::move(challenge), .record = std::move(record)};
}

}  // namespace

Enroller::Enroller(Context& context, Strangers& strangers)
    : context_(context),
      strangers_(strangers),
      nodes_(context.config.enrolments_per_second, kCallsPerNode) {}

template <class Recognised>
Result<Recognised> Enroller::Charge(Result<Recognised> recognised,
                                    const std::string& source) const {
  if (!recognised)
    return strangers_.Refuse(source, std::move(recognised.error()), kTooManyEnrolments);
  if (nodes_.Allow(recognised->record.id, platform::Uptime())) return recognised;
  return Fail(Code::kUnavailable, "known nodes enrol more often than they may",
              {.name = std::string(kTooManyEnrolments), .advice = "It is tried again by itself."});
}

Result<node::StartEnrolmentResponse> Enroller::Start(const node::StartEnrolmentRequest& request,
                                                     const std::string& source) const {
  const Time now = context_.now();
  ASSIGN_OR_RETURN(const auto applicant, Charge(Recognise(context_, request), source),
                   "start enrolment");
  const auto& [ek, record] = applicant;
  ASSIGN_OR_RETURN(const tpm::PublicArea ak,
                   attest::ReadAttestationKey(AsBytes(request.ak_public())), "start enrolment");
  ASSIGN_OR_RETURN(const tpm::PublicArea node_key,
                   attest::ReadNodeKey(AsBytes(request.node_key_public())), "start enrolment");
  ASSIGN_OR_RETURN(const attest::Assurance assurance, Assure(context_, ek, request),
                   "start enrolment");
  Challenge challenge{.id = crypto::RandomBytes(16),
                      .made = now,
                      .expires = now + context_.config.challenge_life,
                      .nonce = crypto::RandomBytes(attest::kNonceSize),
                      .activation_secret = crypto::Secret::Random(kSecretSize),
                      .node_id = record.id,
                      .node_revision = record.revision,
                      .assurance = assurance,
                      .ek_public = ek.area.tpm2b(),
                      .ak_public = ak.tpm2b(),
                      .node_key_public = node_key.tpm2b()};
  ASSIGN_OR_RETURN(const tpm::Credential credential,
                   tpm::MakeCredential(ek.area, ak.name(), challenge.activation_secret),
                   "make the credential");
  ASSIGN_OR_RETURN(const Bytes sealed, context_.sealer.Seal(challenge), "seal the challenge");
  node::StartEnrolmentResponse response;
  response.set_credential_blob(attest::ToField(credential.id_object));
  response.set_encrypted_secret(attest::ToField(credential.encrypted_secret));
  response.set_sealed_state(attest::ToField(sealed));
  response.set_nonce(attest::ToField(challenge.nonce));
  *response.mutable_selection() =
      attest::EncodeSelection({context_.config.appraisal.bank, context_.config.appraisal.required});
  response.set_node_id(record.id);
  return response;
}

void Enroller::Finish(const node::FinishEnrolmentRequest& request, const std::string& source,
                      Reply<node::FinishEnrolmentResponse> reply) const {
  auto finishing = [&]() -> Result<Finishing> {
    const Time now = context_.now();
    ASSIGN_OR_RETURN(auto returned, Charge(Recognise(context_, request, now), source),
                     "finish enrolment");
    auto& [challenge, record] = returned;
    if (record.revision != challenge.node_revision) {
      return Fail(Code::kConflict, "the node's record changed since the enrolment began",
                  {.name = "node-changed", .advice = "Start the enrolment again."});
    }
    ASSIGN_OR_RETURN(attest::Subject subject, SubjectOf(context_, challenge, record),
                     "finish enrolment");
    Finishing work(context_, std::move(challenge), std::move(record), std::move(subject));
    RETURN_IF_ERROR(work.Judge(request, now), "finish enrolment");
    return work;
  }();
  if (!finishing) return reply(std::unexpected(std::move(finishing.error())));
  std::move(*finishing).Commit(std::move(reply));
}

}  // namespace lodekey::issuer
