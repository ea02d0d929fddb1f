#include "issuer/enroller.h"

#include <fmt/format.h>

#include "attest/codec.h"
#include "attest/key_rules.h"
#include "issuer/admission.h"
#include "issuer/decision_record.h"
#include "issuer/devid.h"
#include "issuer/finishing.h"
#include "issuer/next_step.h"
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
  if (record.standing == Standing::kBarred) {
    return Fail(
        Code::kDenied, "an operator denied the node",
        {.name = "node-barred",
         .advice = "On the issuer, if it may come after all: lodekey node allow " + record.id});
  }
  return {};
}

// Of a host that no inventory has, its id and nothing else: whether that is enough is the policy's
// to say.
Result<NodeRecord> FindNode(const Context& context, const std::string& ek_hash) {
  std::optional<NodeRecord> record;
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(record, view.FindNodeByEk(ek_hash), "look the endorsement key up");
    return {};
  }),
                  "inventory");
  if (!record) return NodeRecord{.id = ek_hash};
  RETURN_IF_ERROR(CheckStanding(*record), "inventory");
  return *std::move(record);
}

Result<AdmissionFacts> Assess(const Context& context, const attest::EndorsementKey& ek,
                              const node::StartEnrolmentRequest& request) {
  std::vector<Bytes> chain;
  for (const auto& certificate : request.certificate_chain())
    chain.push_back(attest::FromField(certificate));
  const auto stored = AsBytes(request.endorsement_keys(0).certificate());
  ASSIGN_OR_RETURN(const attest::EkAppraisal appraisal,
                   attest::AppraiseEkCertificate(ek.area, stored, chain, context.roots),
                   "endorsement certificate");
  return AdmissionFacts{.assurance = appraisal.assurance,
                        .assurance_reason = appraisal.reason,
                        .manufacturer = appraisal.manufacturer};
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

// Who starts an enrolment, and what is known of it.
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
Result<Recognised> Enroller::Charge(Result<Recognised> recognised, const Caller& caller) const {
  if (!recognised)
    return strangers_.Refuse(caller.source, std::move(recognised.error()), kTooManyEnrolments);
  // Whatever the policy makes of it: hosts that nobody knows must not use up what nodes have.
  if (IsStranger(recognised->record)) {
    RETURN_IF_ERROR(strangers_.Charge(caller.source, kTooManyEnrolments), "enrolment");
    return recognised;
  }
  if (nodes_.Allow(recognised->record.id, platform::Uptime())) return recognised;
  return Fail(Code::kUnavailable, "known nodes enrol more often than they may",
              {.name = std::string(kTooManyEnrolments), .advice = "It is tried again by itself."});
}

Result<node::StartEnrolmentResponse> Enroller::Start(const node::StartEnrolmentRequest& request,
                                                     const Caller& caller) const {
  const Time now = context_.now();
  ASSIGN_OR_RETURN(const auto applicant, Charge(Recognise(context_, request), caller),
                   "start enrolment");
  const auto& [ek, record] = applicant;
  ASSIGN_OR_RETURN(const AdmissionFacts facts, Assess(context_, ek, request), "start enrolment");
  const Ruling admission = Admit(context_, SceneOf(context_, caller.address, now), record, facts);
  if (!admission.allowed())
    return std::unexpected(RefusalError(admission).Wrapped("start enrolment"));
  ASSIGN_OR_RETURN(const tpm::PublicArea ak,
                   attest::ReadAttestationKey(AsBytes(request.ak_public())), "start enrolment");
  ASSIGN_OR_RETURN(const tpm::PublicArea node_key,
                   attest::ReadNodeKey(AsBytes(request.node_key_public())), "start enrolment");
  ASSIGN_OR_RETURN(auto devid, ReadDevIdClaim(context_, request, now), "start enrolment");
  Challenge challenge{.id = crypto::RandomBytes(16),
                      .made = now,
                      .expires = now + context_.config.challenge_life,
                      .nonce = crypto::RandomBytes(attest::kNonceSize),
                      .activation_secret = crypto::Secret::Random(kSecretSize),
                      .node_id = record.id,
                      .node_revision = record.revision,
                      .assurance = facts.assurance,
                      .assurance_reason = facts.assurance_reason,
                      .manufacturer = facts.manufacturer,
                      .ek_public = ek.area.tpm2b(),
                      .ak_public = ak.tpm2b(),
                      .node_key_public = node_key.tpm2b(),
                      .devid = std::move(devid)};
  ASSIGN_OR_RETURN(const tpm::Credential credential,
                   tpm::MakeCredential(ek.area, ak.name(), challenge.activation_secret),
                   "make the credential");
  ASSIGN_OR_RETURN(const Bytes sealed, context_.sealer.Seal(challenge), "seal the challenge");
  node::StartEnrolmentResponse response;
  response.set_credential_blob(attest::ToField(credential.id_object));
  response.set_encrypted_secret(attest::ToField(credential.encrypted_secret));
  response.set_sealed_state(attest::ToField(sealed));
  response.set_nonce(attest::ToField(challenge.nonce));
  *response.mutable_selection() = SelectionOf(context_.policy);
  response.set_node_id(record.id);
  return response;
}

void Enroller::Finish(const node::FinishEnrolmentRequest& request, const Caller& caller,
                      Reply<node::FinishEnrolmentResponse> reply) const {
  const Time now = context_.now();
  auto returned = Charge(Recognise(context_, request, now), caller);
  if (!returned)
    return reply(std::unexpected(std::move(returned.error()).Wrapped("finish enrolment")));
  auto& [challenge, record] = *returned;
  if (record.revision != challenge.node_revision) {
    return reply(Fail(Code::kConflict, "the node's record changed since the enrolment began",
                      {.name = "node-changed", .advice = "Start the enrolment again."}));
  }
  auto devid = ProveDevId(context_, challenge, request);
  if (!devid) return reply(std::unexpected(std::move(devid.error()).Wrapped("finish enrolment")));
  const AdmissionFacts facts{.assurance = challenge.assurance,
                             .assurance_reason = challenge.assurance_reason,
                             .manufacturer = challenge.manufacturer,
                             .devid = *std::move(devid),
                             .finished = true};
  const PolicyScene scene = SceneOf(context_, caller.address, now);
  Ruling admission = Admit(context_, scene, record, facts);
  ProvedHost host{.challenge = std::move(challenge),
                  .record = std::move(record),
                  .facts = facts,
                  .admission = std::move(admission),
                  .scene = scene};
  const auto owner = FindOtherOwner(context_, host);
  if (!owner) return reply(std::unexpected(owner.error()));
  if (*owner) return RefuseDuplicate(context_, host, **owner, std::move(reply));
  if (!host.admission.allowed())
    return RefuseAdmission(context_, std::move(host), std::move(reply));
  if (NeedsApproval(host.record, host.admission))
    return AwaitApproval(context_, std::move(host), std::move(reply));
  auto finishing = Finishing::Of(context_, std::move(host));
  auto judged = finishing ? finishing->Judge(request) : Result<void>();
  if (!finishing || !judged) {
    return reply(std::unexpected(
        std::move(finishing ? judged.error() : finishing.error()).Wrapped("finish enrolment")));
  }
  std::move(*finishing).Commit(std::move(reply));
}

}  // namespace lodekey::issuer
