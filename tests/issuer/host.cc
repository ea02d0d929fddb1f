#include "tests/issuer/host.h"

#include "attest/codec.h"
#include "crypto/digest.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

constexpr crypto::HashAlg kBank = crypto::HashAlg::kSha256;
constexpr uint64_t kQuoteTakes = 1000;  // milliseconds of the TPM's clock

// What firmware and kernel leave behind: the same in every boot of every host.
Bytes BootValue(uint8_t pcr) {
  return crypto::Digest(kBank, {AsBytes("measured at boot"), ByteView(&pcr, 1)});
}

tpm::PcrBank Selected(const tpm::PcrBank& registers, tpm::PcrMask mask) {
  tpm::PcrBank bank{.alg = registers.alg};
  for (const auto& [pcr, value] : registers.values) {
    if ((mask >> pcr & 1) != 0) bank.values[pcr] = value;
  }
  return bank;
}

}  // namespace

Host::Host(const SoftwareTpmOptions& options)
    : boot_log(ToBytes("what the firmware did")),
      ima_list(ToBytes("boot_aggregate init sshd ")),
      options_(options),
      tpm_(std::make_unique<SoftwareTpm>(options)),
      node_id_(id()),
      boot_log_digest_(crypto::Digest(crypto::HashAlg::kSha256, boot_log)) {
  Boot();
}

std::string Host::id() const { return ToHex(tpm_->ek().area.key().spki_sha256()); }

void Host::Boot() {
  registers = {.alg = kBank};
  for (uint8_t pcr = 0; pcr < 16; ++pcr)
    registers.values[pcr] = pcr < 12 ? BootValue(pcr) : Bytes(32);
  ledger.clear();
  Claim();
}

// As the agent's first act in a boot. A register in use before is recorded as it was found.
void Host::Claim() {
  const tpm::Name& ak = tpm_->ak().area.name();
  attest::LedgerRecord record{
      .pcr = ledger_pcr, .digests = attest::ClaimDigests(ak, {kBank}), .claim = {.ak_name = ak}};
  Bytes& value = registers.values[ledger_pcr];
  if (value != Bytes(32)) record.claim.first_look = attest::EncodeFirstLook({{kBank, value}});
  value = tpm::ExtendPcr(kBank, value, record.digests.front().digest);
  ledger = {std::move(record)};
}

void Host::Reboot() {
  tpm_->clock.reset_count += 1;
  tpm_->clock.restart_count = 0;
  Boot();
}

void Host::LoseKeys() {
  auto fresh = std::make_unique<SoftwareTpm>(options_);
  fresh->clock = tpm_->clock;
  tpm_ = std::move(fresh);
}

void Host::LoseState() {
  LoseKeys();
  Claim();
}

void Host::ClaimIn(uint8_t pcr) {
  ledger_pcr = pcr;
  Claim();
}

void Host::BringLog(std::string_view log) {
  boot_log = ToBytes(log);
  boot_log_digest_ = crypto::Digest(crypto::HashAlg::kSha256, boot_log);
}

void Host::Extend(uint8_t pcr) {
  registers.values[pcr] =
      tpm::ExtendPcr(kBank, registers.values[pcr], crypto::Sha256(AsBytes("something else")));
}

attest::BindingContext Host::Binding(ByteView nonce) const {
  return {.trust_domain = trust_domain_,
          .node_id = node_id_,
          .nonce = nonce,
          .ak_name = tpm_->ak().area.name(),
          .key_name = tpm_->node_key().area.name(),
          .boot_log_digest = boot_log_digest_};
}

node::StartEnrolmentRequest Host::Start() const {
  node::StartEnrolmentRequest request;
  auto* key = request.add_endorsement_keys();
  key->set_public_(attest::ToField(tpm_->ek().area.tpm2b()));
  key->set_certificate(attest::ToField(ek_certificate));
  for (const Bytes& certificate : ek_chain)
    request.add_certificate_chain(attest::ToField(certificate));
  request.set_ak_public(attest::ToField(tpm_->ak().area.tpm2b()));
  request.set_node_key_public(attest::ToField(tpm_->node_key().area.tpm2b()));
  return request;
}

Result<crypto::Secret> Host::Activate(const node::StartEnrolmentResponse& started) const {
  return tpm_->ActivateCredential(
      {.id_object = attest::FromField(started.credential_blob()),
       .encrypted_secret = attest::FromField(started.encrypted_secret())});
}

Result<node::FinishEnrolmentRequest> Host::Finish(const node::StartEnrolmentResponse& started,
                                                  const HostChanges& changes) {
  ASSIGN_OR_RETURN(const crypto::Secret secret, Activate(started), "activate the credential");
  return FinishWith(secret.Reveal(), started, changes);
}

node::FinishEnrolmentRequest Host::FinishWith(ByteView secret,
                                              const node::StartEnrolmentResponse& started,
                                              const HostChanges& changes) {
  node_id_ = started.node_id();
  const Bytes nonce = attest::FromField(started.nonce());
  attest::BindingContext binding = Binding(nonce);
  binding.activation_secret = secret;
  if (changes.binding) changes.binding(binding);
  const SignedAttestation certified =
      tpm_->Certify(attest::Bind(attest::Purpose::kEnrolCertify, binding), changes.certify);
  attest::Evidence evidence =
      Quote(started.selection(), attest::Purpose::kEnrolQuote, binding, changes);
  evidence.boot_log = boot_log;
  evidence.ledger = attest::EncodeLedger(ledger);
  evidence.ima_chunk = ima_list;
  node::FinishEnrolmentRequest request;
  request.set_sealed_state(started.sealed_state());
  request.set_activation_secret(attest::ToField(secret));
  *request.mutable_node_key() =
      attest::EncodeCertification({.attest = certified.attest, .signature = certified.signature});
  *request.mutable_evidence() = attest::EncodeEvidence(evidence);
  if (changes.finish) changes.finish(request);
  return request;
}

node::AttestRequest Host::Attest(const HostChanges& changes) {
  const Bytes nonce = attest::FromField(next.nonce());
  attest::BindingContext binding = Binding(nonce);
  if (changes.binding) changes.binding(binding);
  attest::Evidence evidence =
      Quote(next.selection(), attest::Purpose::kAttestQuote, binding, changes);
  evidence.ima_offset = next.ima_offset();
  evidence.ima_chunk =
      Bytes(ima_list.begin() + static_cast<ptrdiff_t>(next.ima_offset()), ima_list.end());
  node::AttestRequest request;
  request.set_nonce(next.nonce());
  *request.mutable_evidence() = attest::EncodeEvidence(evidence);
  if (changes.attest) changes.attest(request);
  return request;
}

attest::Evidence Host::Quote(const node::PcrSelection& selection, attest::Purpose purpose,
                             const attest::BindingContext& binding, const HostChanges& changes) {
  tpm_->clock.clock += kQuoteTakes;
  const auto qualifying = attest::Bind(changes.purpose.value_or(purpose), binding);
  const tpm::BankSelection wanted = Must(attest::DecodeSelection(selection));
  const SignedAttestation quoted = tpm_->Quote({wanted}, {registers}, qualifying, changes.quote);
  return {.quote = quoted.attest,
          .quote_signature = quoted.signature,
          .pcrs = Selected(registers, wanted.mask),
          .boot_log_digest = boot_log_digest_,
          .ledger_pcr = ledger_pcr};
}

void Host::TakeIdentity(const node::NodeIdentity& identity) {
  certificates.clear();
  for (const std::string& der : identity.certificates()) {
    certificates.push_back(Must(crypto::Certificate::FromDer(AsBytes(der))));
  }
}

void Host::Take(const node::FinishEnrolmentResponse& response) {
  if (response.has_identity()) TakeIdentity(response.identity());
  if (response.has_next()) next = response.next();
}

void Host::Take(const node::AttestResponse& response) {
  if (response.has_identity()) TakeIdentity(response.identity());
  if (response.has_next()) next = response.next();
}

}  // namespace lodekey::test
