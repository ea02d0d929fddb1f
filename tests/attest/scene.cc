#include "tests/attest/scene.h"

#include <algorithm>
#include <stdexcept>

#include "tests/support/must.h"

namespace lodekey::test {

using attest::Purpose;
using crypto::HashAlg;

namespace {

constexpr uint64_t kMinute = 60'000;

tpm::PcrBank HonestRegisters() {
  tpm::PcrBank bank{.alg = HashAlg::kSha256};
  for (uint8_t pcr = 0; pcr < 16; ++pcr) bank.values[pcr] = Bytes(32, pcr);
  return bank;
}

attest::Ledger ClaimFor(const tpm::Name& ak_name) {
  return {{.number = 0,
           .pcr = kLedgerPcr,
           .digests = attest::ClaimDigests(ak_name, {HashAlg::kSha1, HashAlg::kSha256}),
           .claim = {.ak_name = ak_name}}};
}

}  // namespace

const SoftwareTpm& Chip() {
  static const SoftwareTpm tpm;
  return tpm;
}

const SoftwareTpm& OtherChip() {
  static const SoftwareTpm tpm({.chip = 1});
  return tpm;
}

Scene::Scene(const SoftwareTpm& tpm)
    : chip(&tpm),
      subject{.trust_domain = "fleet.example",
              .node_id = ToHex(tpm.ek().area.key().spki_sha256()),
              .group = "edge",
              .ak = tpm.ak().area,
              .node_key = tpm.node_key().area},
      registers(HonestRegisters()),
      clock(tpm.clock),
      firmware_version(tpm.firmware_version),
      ledger(ClaimFor(tpm.ak().area.name())),
      selection{{.bank = HashAlg::kSha256, .mask = 0xffff}} {
  message.boot_log_digest = ToBytes(crypto::Sha256(AsBytes("the boot log")));
  message.ledger_pcr = kLedgerPcr;
  RecordLedger();
  state = {.clock = clock,
           .firmware_version = firmware_version,
           .pcrs = registers,
           .static_pcrs = registers,
           .boot_log_digest = message.boot_log_digest,
           .ledger_pcr = kLedgerPcr,
           .ledger = *message.ledger};
  clock.clock += kMinute;
}

void Scene::RecordLedger() {
  message.ledger = attest::EncodeLedger(ledger);
  SetRegister(kLedgerPcr, Must(attest::ReplayLedger(ledger, registers.alg)));
}

void Scene::SetRegister(uint8_t pcr, const Bytes& value) {
  registers.values[pcr] = value;
  message.pcrs = registers;
}

Bytes Scene::Qualifying(Purpose purpose,
                        const std::function<void(attest::BindingContext&)>& change) const {
  attest::BindingContext context{.trust_domain = subject.trust_domain,
                                 .node_id = subject.node_id,
                                 .nonce = nonce,
                                 .activation_secret = activation_secret,
                                 .ak_name = chip->ak().area.name(),
                                 .key_name = chip->node_key().area.name(),
                                 .boot_log_digest = message.boot_log_digest};
  if (change) change(context);
  return ToBytes(attest::Bind(purpose, context));
}

attest::Evidence Scene::MakeEvidence(Purpose purpose) const {
  std::vector<tpm::PcrBank> banks = other_banks;
  banks.push_back(registers);
  AttestChanges changes = quote;
  if (!changes.clock) changes.clock = clock;
  if (!changes.firmware_version) changes.firmware_version = firmware_version;
  const SignedAttestation signed_quote =
      chip->Quote(selection, banks, Qualifying(purpose), changes);
  attest::Evidence evidence = message;
  evidence.quote = signed_quote.attest;
  evidence.quote_signature = signed_quote.signature;
  if (forge) forge(evidence);
  return evidence;
}

attest::Certification Scene::MakeCertification() const {
  const SignedAttestation signed_key = chip->Certify(Qualifying(Purpose::kEnrolCertify), certify);
  attest::Certification certification{.attest = signed_key.attest,
                                      .signature = signed_key.signature};
  if (forge_certification) forge_certification(certification);
  return certification;
}

attest::Verdict Scene::Enrol() const {
  return attest::AppraiseEnrolment(subject,
                                   {.nonce = nonce,
                                    .activation_secret = activation_secret,
                                    .earlier = earlier,
                                    .approved_ak = approved_ak},
                                   MakeCertification(), MakeEvidence(Purpose::kEnrolQuote),
                                   references, policy);
}

attest::Verdict Scene::Attest() const {
  return attest::AppraiseEvidence(subject, nonce, state, MakeEvidence(Purpose::kAttestQuote),
                                  references, policy);
}

attest::EarlierEnrolment EarlierEnrolmentOf(const Scene& scene) {
  return {.ak_name = scene.subject.ak.name(),
          .clock = scene.state.clock,
          .firmware_version = scene.state.firmware_version,
          .static_pcrs = scene.state.static_pcrs,
          .boot_log_digest = scene.state.boot_log_digest,
          .ledger_pcr = scene.state.ledger_pcr,
          .ledger = scene.state.ledger};
}

attest::Outcome Strictest(const attest::Verdict& verdict) {
  if (!verdict.decidable() || verdict.findings().empty()) return verdict.outcome();
  return attest::Outcome::kNodeRefused;
}

std::vector<std::string> Codes(const attest::Verdict& verdict) {
  std::vector<std::string> codes;
  for (const attest::FailedRule& rule : verdict.failed()) codes.push_back(rule.code);
  return codes;
}

attest::FailedRule OnlyFailure(const attest::Verdict& verdict) {
  if (verdict.failed().size() != 1) throw std::runtime_error("not one failed rule");
  return verdict.failed().front();
}

std::string FactNamed(const attest::Verdict& verdict, std::string_view name) {
  const auto found = std::ranges::find(verdict.facts(), name, &attest::Fact::name);
  return found == verdict.facts().end() ? "" : found->value;
}

}  // namespace lodekey::test
