#include "attest/appraisal.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/appraisal_rules.h"

namespace lodekey::attest {

// Collects what failed, rule by rule; the rules themselves are plain functions in
// appraisal_rules.h.
class Appraisal {
 public:
  static Verdict OfEnrolment(const Subject& subject, const EnrolmentContext& context,
                             const Certification& certification, const Evidence& evidence,
                             const References& references, const AppraisalPolicy& policy);
  static Verdict OfEvidence(const Subject& subject, ByteView nonce, const EnrolledState& state,
                            const Evidence& evidence, const References& references,
                            const AppraisalPolicy& policy);

 private:
  void Add(std::vector<FailedRule> rules) {
    std::ranges::move(rules, std::back_inserter(verdict_.failed_));
  }
  bool Clean() const { return verdict_.failed_.empty(); }
  bool BootIsOver() const { return verdict_.outcome() == Outcome::kEnrolAgain; }

  // Whether the quote is this node's, for this nonce, over the values presented. What it proves is
  // kept.
  bool Authenticate(const Subject& subject, Purpose purpose, const BindingContext& binding,
                    const Evidence& evidence, const tpm::PcrBank& earlier_pcrs,
                    const AppraisalPolicy& policy);

  Verdict verdict_;
};

namespace {

BindingContext BindingOf(const Subject& subject, ByteView nonce, const Evidence& evidence) {
  return {.trust_domain = subject.trust_domain,
          .node_id = subject.node_id,
          .nonce = nonce,
          .ak_name = subject.ak.name(),
          .key_name = subject.node_key.name(),
          .boot_log_digest = evidence.boot_log_digest};
}

}  // namespace

bool Appraisal::Authenticate(const Subject& subject, Purpose purpose, const BindingContext& binding,
                             const Evidence& evidence, const tpm::PcrBank& earlier_pcrs,
                             const AppraisalPolicy& policy) {
  const auto quote = rules::ReadSigned(subject.ak, evidence.quote, evidence.quote_signature,
                                       tpm::AttestKind::kQuote, Bind(purpose, binding), "quote");
  if (!quote) {
    Add({quote.error()});
    return false;
  }
  const tpm::PcrBank& values = evidence.pcrs ? *evidence.pcrs : earlier_pcrs;
  Add(rules::CheckQuotedValues(std::get<tpm::QuoteInfo>(quote->attested), values,
                               evidence.pcrs.has_value(), policy));
  Add(rules::CheckBootLogDigest(evidence));
  if (!Clean()) return false;
  verdict_.proved_ =
      Proved{.clock = quote->clock, .firmware_version = quote->firmware_version, .pcrs = values};
  return true;
}

Verdict Appraisal::OfEnrolment(const Subject& subject, const EnrolmentContext& context,
                               const Certification& certification, const Evidence& evidence,
                               const References& references, const AppraisalPolicy& policy) {
  Appraisal appraisal;
  BindingContext binding = BindingOf(subject, context.nonce, evidence);
  binding.activation_secret = context.activation_secret;
  appraisal.Add(
      rules::CheckCertification(subject, certification, Bind(Purpose::kEnrolCertify, binding)));
  if (!appraisal.Authenticate(subject, Purpose::kEnrolQuote, binding, evidence, {}, policy)) {
    return std::move(appraisal.verdict_);
  }
  const Proved& proved = *appraisal.verdict_.proved_;
  const auto& earlier = context.earlier;
  appraisal.verdict_.facts_ = rules::StateFacts(
      evidence, proved, references,
      {.firmware_version = earlier ? earlier->firmware_version : proved.firmware_version,
       .ledger = {},
       .attestation_key = rules::AkSuccession(subject, context)});
  std::ranges::move(rules::AkFacts(subject, context),
                    std::back_inserter(appraisal.verdict_.facts_));
  appraisal.Add(rules::CheckAkSuccession(subject, context, evidence, proved, policy));
  // Another key in the same chip does not speak for the node: nothing else it shows may cost the
  // node its standing.
  if (!appraisal.Clean()) return std::move(appraisal.verdict_);
  appraisal.Add(rules::CheckSameBoot(subject, earlier, evidence, proved, policy));
  appraisal.Add(rules::CheckResetCount(subject, earlier, proved.clock));
  appraisal.Add(rules::CheckEnrolledLedger(subject, earlier, evidence, proved, policy));
  appraisal.Add(rules::CheckReferences(subject, proved.pcrs, references, {}));
  return std::move(appraisal.verdict_);
}

Verdict Appraisal::OfEvidence(const Subject& subject, ByteView nonce, const EnrolledState& state,
                              const Evidence& evidence, const References& references,
                              const AppraisalPolicy& policy) {
  Appraisal appraisal;
  if (!appraisal.Authenticate(subject, Purpose::kAttestQuote, BindingOf(subject, nonce, evidence),
                              evidence, state.pcrs, policy)) {
    return std::move(appraisal.verdict_);
  }
  const Proved& proved = *appraisal.verdict_.proved_;
  appraisal.verdict_.facts_ =
      rules::StateFacts(evidence, proved, references,
                        {.firmware_version = state.firmware_version, .ledger = state.ledger});
  // After a reboot, a restart or a clear every other rule would fail too, and say nothing.
  appraisal.Add(rules::CheckCounters(state, proved.clock));
  if (appraisal.BootIsOver()) return std::move(appraisal.verdict_);
  appraisal.Add(rules::CheckLedgerContinues(subject, state, evidence, proved, policy));
  if (appraisal.BootIsOver()) return std::move(appraisal.verdict_);
  appraisal.Add(rules::CheckBootLogUnchanged(subject, state.boot_log_digest, evidence));
  const std::vector<FailedRule> changed =
      rules::CheckStaticPcrs(subject, state.static_pcrs, proved.pcrs, policy);
  appraisal.Add(rules::CheckReferences(subject, proved.pcrs, references, changed));
  appraisal.Add(changed);
  return std::move(appraisal.verdict_);
}

Verdict AppraiseEnrolment(const Subject& subject, const EnrolmentContext& context,
                          const Certification& certification, const Evidence& evidence,
                          const References& references, const AppraisalPolicy& policy) {
  return Appraisal::OfEnrolment(subject, context, certification, evidence, references, policy);
}

Verdict AppraiseEvidence(const Subject& subject, ByteView nonce, const EnrolledState& state,
                         const Evidence& evidence, const References& references,
                         const AppraisalPolicy& policy) {
  return Appraisal::OfEvidence(subject, nonce, state, evidence, references, policy);
}

bool IsAuthentic(const Subject& subject, ByteView nonce, const Evidence& evidence) {
  return rules::ReadSigned(
             subject.ak, evidence.quote, evidence.quote_signature, tpm::AttestKind::kQuote,
             Bind(Purpose::kAttestQuote, BindingOf(subject, nonce, evidence)), "quote")
      .has_value();
}

}  // namespace lodekey::attest
