#include "issuer/enroller.h"

#include <fmt/format.h>

#include "attest/codec.h"
#include "attest/key_rules.h"
#include "issuer/finishing.h"
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
    ASSIGN_OR_RETURN(Finishing work,
                     Finishing::Of(context_, std::move(challenge), std::move(record)),
                     "finish enrolment");
    RETURN_IF_ERROR(work.Judge(request, now), "finish enrolment");
    return work;
  }();
  if (!finishing) return reply(std::unexpected(std::move(finishing.error())));
  std::move(*finishing).Commit(std::move(reply));
}

}  // namespace lodekey::issuer
