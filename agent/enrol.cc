#include "agent/enrol.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/devid.h"
#include "attest/binding.h"
#include "attest/codec.h"
#include "attest/endorsement.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;

Result<std::optional<DevIdOffer>> OfferDevId(const platform::AgentConfig& config, NodeTpm& tpm) {
  if (!config.devid) return std::nullopt;
  const auto read = [&](tpm::Device& device, const tpm::LoadedKey&) {
    return ReadDevId(device, *config.devid);
  };
  auto offer = tpm.WithAk(read);
  if (!offer && offer.error().Name() == "tpm-busy") {
    // Without a resource manager a chip has three slots, and a persistent key needs one for as long
    // as it is looked at: the endorsement key makes room, and is made again.
    tpm.ReleaseEk();
    offer = tpm.WithAk(read);
  }
  if (!offer) return std::unexpected(std::move(offer.error()).Wrapped("read the DevID"));
  return *std::move(offer);
}

node::StartEnrolmentRequest StartRequest(const NodeTpm& tpm, const EndorsementOffer& offer,
                                         const std::optional<DevIdOffer>& devid) {
  node::StartEnrolmentRequest request;
  auto* key = request.add_endorsement_keys();
  key->set_public_(attest::ToField(offer.ek.tpm2b()));
  key->set_certificate(attest::ToField(offer.certificate));
  for (const Bytes& certificate : attest::SplitStoredChain(offer.chain))
    request.add_certificate_chain(attest::ToField(certificate));
  request.set_ak_public(attest::ToField(tpm.ak().tpm2b()));
  request.set_node_key_public(attest::ToField(tpm.node_key().tpm2b()));
  if (devid) {
    for (const Bytes& certificate : devid->certificates)
      request.mutable_devid()->add_certificates(attest::ToField(certificate));
    request.mutable_devid()->set_key_public(attest::ToField(devid->key.tpm2b()));
  }
  return request;
}

// That its key is in the chip of the AK, said for this enrolment alone.
Result<node::Certification> ProveDevId(const platform::DevIdConfig& config, NodeTpm& tpm,
                                       const DevIdOffer& devid, attest::BindingContext binding) {
  binding.key_name = devid.key.name();
  ASSIGN_OR_RETURN(const tpm::Quoted certified,
                   tpm.WithAk([&](tpm::Device& device, const tpm::LoadedKey& ak) {
                     return CertifyDevId(device, config, ak,
                                         attest::Bind(attest::Purpose::kEnrolDevId, binding));
                   }),
                   "certify the DevID's key");
  return attest::EncodeCertification(
      {.attest = certified.attest, .signature = certified.signature});
}

// The issuer tells strangers only a code; the host knows its own EK and can say what to do.
Error Explained(Error error, const EndorsementOffer& offer) {
  const std::string hash = ToHex(offer.ek.key().spki_sha256());
  if (error.Name() == "ek-not-in-inventory") {
    error.text =
        fmt::format("the issuer's inventory does not have this host's endorsement key {}", hash);
    error.advice = "On the issuer: lodekey node allow " + hash;
  } else if (error.Name() == "approval-pending") {
    error.text = "this host proved its TPM to the issuer, and waits for an operator to approve it";
    error.advice = "On the issuer: lodekey node approve " + hash;
  } else if (error.Name() == "node-barred") {
    error.text = "an operator of the issuer denied this host";
    error.advice = "On the issuer, if it may come in after all: lodekey node allow " + hash;
  } else if (error.Name() == "node-removed") {
    error.text = "an operator removed this node from the issuer";
    error.advice = "On the issuer, if it is to come back: lodekey node allow " + hash;
  } else if (error.Name().starts_with("ek-certificate-") || error.Name() == "assurance-too-low") {
    error.text = fmt::format("the issuer does not accept this TPM's endorsement certificate ({})",
                             error.Name());
    error.advice =
        "On the issuer: add the TPM vendor's root to admission.vendor_roots, or lower "
        "admission.minimum_assurance in the policy's data.json.";
  } else if (error.Name() == "devid-usage") {
    error.text =
        "the issuer does not take devid.certificate of this host for a DevID (devid-usage)";
    error.advice =
        "Show one whose key usage has digitalSignature and that is not for something else, such as "
        "TLS servers; see admission.devid_usage of the issuer, whose log has the reason under the "
        "request id.";
  } else if (error.Name().starts_with("devid-")) {
    error.text = fmt::format("the issuer does not accept this host's DevID ({})", error.Name());
    error.advice =
        "Compare devid.certificate with the roots in the issuer's admission.devid_roots. The "
        "issuer's log has the reason under the request id.";
  } else if (error.advice.empty() && error.code != Code::kUnavailable) {
    error.advice = "The issuer's log has the reason under the request id.";
  }
  return error;
}

}  // namespace

attest::CollectContext CollectContextOf(const platform::AgentConfig& config, const State& state) {
  return {.boot_log_path = config.boot_log,
          .ima_log_path = config.ima_log,
          .ledger_pcr =
              config.ledger_pcr ? static_cast<uint8_t>(*config.ledger_pcr) : attest::kNoLedger,
          .ledger = config.ledger_pcr ? attest::EncodeLedger(state.ledger()) : Bytes{}};
}

Result<EnrolmentReply> Enrol(const platform::AgentConfig& config, const State& state, NodeTpm& tpm,
                             IssuerClient& issuer, const attest::BootLog& boot_log) {
  ASSIGN_OR_RETURN(const std::optional<DevIdOffer> devid, OfferDevId(config, tpm), "enrol");
  ASSIGN_OR_RETURN(const EndorsementOffer offer, tpm.Offer(), "enrol");
  const auto started = issuer.StartEnrolment(StartRequest(tpm, offer, devid));
  if (!started) return std::unexpected(Explained(started.error(), offer).Wrapped("enrol"));
  ASSIGN_OR_RETURN(
      const crypto::Secret secret,
      tpm.Activate({.id_object = attest::FromField(started->credential_blob()),
                    .encrypted_secret = attest::FromField(started->encrypted_secret())}),
      "enrol: activate the credential");
  tpm.ReleaseEk();
  const Bytes nonce = attest::FromField(started->nonce());
  const attest::BindingContext binding{.trust_domain = config.trust_domain,
                                       .node_id = started->node_id(),
                                       .nonce = nonce,
                                       .activation_secret = secret.Reveal(),
                                       .ak_name = tpm.ak().name(),
                                       .key_name = tpm.node_key().name(),
                                       .boot_log_digest = boot_log.digest};
  ASSIGN_OR_RETURN(const tpm::Quoted certified,
                   tpm.CertifyNodeKey(attest::Bind(attest::Purpose::kEnrolCertify, binding)),
                   "enrol: certify the node key");
  ASSIGN_OR_RETURN(const tpm::BankSelection selection,
                   attest::DecodeSelection(started->selection()), "enrol");
  ASSIGN_OR_RETURN(
      attest::Collected collected, tpm.WithAk([&](tpm::Device& device, const tpm::LoadedKey& ak) {
        return attest::Collect(device, ak, CollectContextOf(config, state), boot_log,
                               {.selection = selection, .boot_log = true, .ledger = true},
                               attest::Bind(attest::Purpose::kEnrolQuote, binding));
      }),
      "enrol");
  node::FinishEnrolmentRequest request;
  request.set_sealed_state(started->sealed_state());
  request.set_activation_secret(attest::ToField(secret.Reveal()));
  *request.mutable_node_key() =
      attest::EncodeCertification({.attest = certified.attest, .signature = certified.signature});
  *request.mutable_evidence() = attest::EncodeEvidence(collected.evidence);
  if (devid) {
    ASSIGN_OR_RETURN(*request.mutable_devid(), ProveDevId(*config.devid, tpm, *devid, binding),
                     "enrol");
  }
  const auto finished = issuer.FinishEnrolment(request);
  if (!finished) return std::unexpected(Explained(finished.error(), offer).Wrapped("enrol"));
  return EnrolmentReply{
      .response = *finished, .node_id = started->node_id(), .pcrs = std::move(collected.pcrs)};
}

}  // namespace lodekey::agent
