// The rules of an appraisal over any evidence. A fuzzer cannot sign, and what is not signed goes no
// further than the signature: so the rules behind it are called on what the quote says.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include <google/protobuf/stubs/logging.h>

#include "attest/appraisal_rules.h"
#include "attest/codec.h"
#include "lodekey/node/v1/node_service.pb.h"
#include "tpm/template.h"

namespace {

using namespace lodekey;
using attest::Evidence;

void Require(bool ok) {
  if (!ok) std::abort();
}

// The generator of P-256 as public key: the seeds are of this one.
tpm::PublicArea KeyOf(TPMT_PUBLIC area) {
  constexpr uint8_t kX[] = {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
                            0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb,
                            0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96};
  constexpr uint8_t kY[] = {0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
                            0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31,
                            0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
  area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
  std::ranges::copy(kX, area.unique.ecc.x.buffer);
  std::ranges::copy(kY, area.unique.ecc.y.buffer);
  return *tpm::PublicArea::FromTpmt(area);
}

const attest::Subject& TheSubject() {
  static const attest::Subject subject{.trust_domain = "fleet.example",
                                       .node_id = "00",
                                       .group = "edge",
                                       .ak = KeyOf(tpm::AttestationKeyTemplate()),
                                       .node_key = KeyOf(tpm::NodeKeyTemplate())};
  return subject;
}

void CheckRules(const attest::rules::FailedRules& failed) {
  for (const attest::FailedRule& rule : failed) {
    Require(!rule.code.empty() && !rule.subject.empty() && !rule.accept.empty());
    Require(rule.outcome != attest::Outcome::kAccepted);
  }
}

// No rule fails only when the ledger begins with a claim of this AK in an allowed register, or
// where there is none: that is for the policy to judge.
void JudgeLedger(const Evidence& evidence, const tpm::PcrBank& pcrs,
                 const attest::AppraisalPolicy& policy) {
  const Bytes ledger = evidence.ledger.value_or(Bytes{});
  const auto failed = attest::rules::CheckLedger(TheSubject(), evidence.ledger_pcr, ledger, pcrs,
                                                 /*claim_judged=*/false, policy);
  CheckRules(failed);
  if (!failed.empty() || evidence.ledger_pcr == attest::kNoLedger) return;
  const auto parsed = attest::ParseLedger(ledger);
  Require(parsed && !parsed->empty());
  Require(parsed->front().claim.ak_name == TheSubject().ak.name());
  Require((policy.ledger_registers >> evidence.ledger_pcr & 1) != 0);
}

void JudgeState(const Evidence& evidence, const attest::Proved& proved,
                const attest::AppraisalPolicy& policy) {
  // What was accepted before: the same at another time, as far as it can be.
  attest::EnrolledState state{.clock = proved.clock,
                              .pcrs = proved.pcrs,
                              .static_pcrs = proved.pcrs,
                              .boot_log_digest = evidence.boot_log_digest,
                              .ledger_pcr = 12};
  ++state.clock.restart_count;
  CheckRules(attest::rules::CheckCounters(state, proved.clock));
  CheckRules(attest::rules::CheckLedgerContinues(TheSubject(), state, evidence, proved, policy));
  CheckRules(attest::rules::CheckBootLogUnchanged(TheSubject(), {}, evidence));
  Require(
      attest::rules::CheckStaticPcrs(TheSubject(), state.static_pcrs, proved.pcrs, policy).empty());
  const attest::References references = {{0, {Bytes(32, 0)}}, {23, {}}};
  CheckRules(attest::rules::CheckReferences(TheSubject(), proved.pcrs, references, {}));
  Require(!attest::rules::StateFacts(evidence, proved, references,
                                     {.firmware_version = 0, .ledger = {}})
               .empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The library tells stderr of each string that is no UTF-8.
  static const auto kQuiet = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(kQuiet);
  node::v1::Evidence message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto evidence = attest::DecodeEvidence(message);
  if (!evidence) return 0;
  // The seeds have their ledger in 12.
  const attest::AppraisalPolicy policy{.ledger_registers = 1U << 12};
  const Bytes nonce(attest::kNonceSize, 0);

  const auto verdict = attest::AppraiseEvidence(TheSubject(), nonce, {}, *evidence, {}, policy);
  Require(verdict.outcome() == attest::Outcome::kMessageRefused && !verdict.proved());
  CheckRules(verdict.failed());

  CheckRules(attest::rules::CheckBootLogDigest(*evidence));
  const tpm::PcrBank pcrs = evidence->pcrs.value_or(tpm::PcrBank{});
  JudgeLedger(*evidence, pcrs, policy);
  const auto quote = tpm::ParseAttestation(evidence->quote, tpm::AttestKind::kQuote);
  if (!quote) return 0;
  CheckRules(attest::rules::CheckQuotedValues(std::get<tpm::QuoteInfo>(quote->attested), pcrs,
                                              evidence->pcrs.has_value(), policy));
  JudgeState(*evidence,
             {.clock = quote->clock, .firmware_version = quote->firmware_version, .pcrs = pcrs},
             policy);
  return 0;
}
