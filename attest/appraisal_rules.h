// The rules of an appraisal, one function each. Each returns the rules that failed; none has an
// effect. Internal to attest: others call appraisal.h.
#pragma once

#include <expected>
#include <vector>

#include "attest/appraisal.h"

namespace lodekey::attest::rules {

using FailedRules = std::vector<FailedRule>;

// --- Authenticity: failures refuse the message and leave the node's standing alone. ---

// A TPMS_ATTEST of the right kind, signed by `ak`, naming `ak` as its qualified signer, over
// `qualifying`.
std::expected<tpm::Attestation, FailedRule> ReadSigned(const tpm::PublicArea& ak, ByteView attest,
                                                       ByteView signature, tpm::AttestKind kind,
                                                       ByteView qualifying, std::string_view what);

// The node key is what TPM2_Certify saw: that key, a primary of the NULL hierarchy.
FailedRules CheckCertification(const Subject& subject, const Certification& certification,
                               ByteView qualifying);

// The quote covers what policy requires, and its digest is that of the values. `presented`: they
// came with the message; otherwise they are the values last accepted.
FailedRules CheckQuotedValues(const tpm::QuoteInfo& quote, const tpm::PcrBank& values,
                              bool presented, const AppraisalPolicy& policy);

FailedRules CheckBootLogDigest(const Evidence& evidence);

// --- State: the evidence is authentic; is the host acceptable? ---

// Whether `proved` is of the boot that was enrolled. Only a higher resetCount shows another one: a
// lower one follows TPM2_Clear, which leaves the registers as they are and must not launder a
// refusal; suspend and another AK do not begin a boot either.
bool InEarlierBoot(const EarlierEnrolment& earlier, const Proved& proved);

// Another AK than the one that is enrolled takes its place when an operator approved it, or, if the
// policy allows it, in a later boot.
FailedRules CheckAkSuccession(const Subject& subject, const EnrolmentContext& context,
                              const Evidence& evidence, const Proved& proved,
                              const AppraisalPolicy& policy);
// Which AK that is, for the fact: "same" (also where none stood before), "approved" or "new".
std::string_view AkSuccession(const Subject& subject, const EnrolmentContext& context);
// The names of both, where it is another.
std::vector<Fact> AkFacts(const Subject& subject, const EnrolmentContext& context);

// An enrolment within the boot of an earlier one: static PCRs and the boot log stand; by the same
// AK counters and clock continue. In another boot nothing is compared.
FailedRules CheckSameBoot(const Subject& subject, const std::optional<EarlierEnrolment>& earlier,
                          const Evidence& evidence, const Proved& proved,
                          const AppraisalPolicy& policy);

// resetCount goes down when a TPM is cleared; a second time within kResetCountWatch, two machines
// take turns.
FailedRules CheckResetCount(const Subject& subject, const std::optional<EarlierEnrolment>& earlier,
                            const tpm::ClockInfo& clock);

// Within one boot reset and restart counters stand, and a safe clock only rises.
FailedRules CheckCounters(const EnrolledState& state, const tpm::ClockInfo& clock);

// `enrolled`: the digest that this boot's enrolment named.
FailedRules CheckBootLogUnchanged(const Subject& subject, ByteView enrolled,
                                  const Evidence& evidence);

// The ledger explains its register, and its first entry claims the register for this AK. With
// `claim_judged` that entry was accepted before, and is not judged again: the AK it names may have
// been replaced since by one that was approved. A host without a register has none to explain.
FailedRules CheckLedger(const Subject& subject, uint8_t pcr, ByteView ledger,
                        const tpm::PcrBank& pcrs, bool claim_judged, const AppraisalPolicy& policy);

// The ledger of an enrolment: in the boot of an earlier one it stays in its register, and a claim
// that was accepted then stands for the AK that enrols now.
FailedRules CheckEnrolledLedger(const Subject& subject,
                                const std::optional<EarlierEnrolment>& earlier,
                                const Evidence& evidence, const Proved& proved,
                                const AppraisalPolicy& policy);

// The same, and nothing that was recorded before is gone.
FailedRules CheckLedgerContinues(const Subject& subject, const EnrolledState& state,
                                 const Evidence& evidence, const Proved& proved,
                                 const AppraisalPolicy& policy);

// Registers that nothing extends after the boot still have the values of this boot's first
// evidence.
FailedRules CheckStaticPcrs(const Subject& subject, const tpm::PcrBank& first,
                            const tpm::PcrBank& now, const AppraisalPolicy& policy);

// Whether something had extended the register before the first record of this ledger.
bool IsTouched(ByteView ledger);

// Every register for which the group has reference values has one of them. Registers in `already`
// were reported.
FailedRules CheckReferences(const Subject& subject, const tpm::PcrBank& pcrs,
                            const References& references, const FailedRules& already);

// What the evidence is compared with for its facts.
struct Before {
  uint64_t firmware_version;
  ByteView ledger;                            // that still holds when the evidence brings none
  std::string_view attestation_key = "same";  // AkSuccession
};


// What the evidence states, with grades; also what is absent.
std::vector<Fact> StateFacts(const Evidence& evidence, const Proved& proved,
                             const References& references, const Before& before);

}  // namespace lodekey::attest::rules
