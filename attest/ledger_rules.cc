#include <algorithm>

#include <fmt/format.h>

#include "attest/appraisal_rules.h"
#include "attest/ledger.h"

namespace lodekey::attest::rules {
namespace {

std::string Register(uint8_t pcr) { return fmt::format("ledger register PCR {}", pcr); }

FailedRule Rule(std::string code, Outcome outcome, std::string subject, std::string expected,
                std::string seen, std::string accept) {
  return {.code = std::move(code),
          .outcome = outcome,
          .subject = std::move(subject),
          .expected = std::move(expected),
          .seen = std::move(seen),
          .accept = std::move(accept)};
}

// Only digests are extended: what a record says counts where they are the digests of it.
bool DigestsCover(const LedgerRecord& record) {
  std::vector<crypto::HashAlg> banks;
  for (const BankDigest& digest : record.digests) banks.push_back(digest.bank);
  return record.digests == ClaimDigests(record.claim.ak_name, banks);
}

// Whether `evidence` has the ledger that was accepted before, perhaps with more behind it.
bool Continues(uint8_t pcr, const Bytes& accepted, const Evidence& evidence) {
  const Bytes& ledger = evidence.ledger ? *evidence.ledger : accepted;
  return evidence.ledger_pcr == pcr && ledger.size() >= accepted.size() &&
         Equal(ByteView(ledger).first(accepted.size()), accepted);
}

// The first record claims the register for the AK that quotes, before anything else could.
FailedRules CheckClaim(const Subject& subject, const LedgerRecord& record) {
  const Claim& claim = record.claim;
  if (Equal(claim.ak_name, subject.ak.name())) return {};
  return {Rule("claim-other-ak", Outcome::kNodeRefused, Register(record.pcr),
               ToHex(subject.ak.name()), ToHex(claim.ak_name),
               "Reboot the host: the first agent of a boot claims the TPM for its AK.")};
}

}  // namespace

FailedRules CheckLedger(const Subject& subject, uint8_t pcr, ByteView bytes,
                        const tpm::PcrBank& pcrs, bool claim_judged,
                        const AppraisalPolicy& policy) {
  if (pcr == kNoLedger) return {};
  if (bytes.empty()) {
    return {Rule("claim-missing", Outcome::kNodeRefused, Register(pcr),
                 "a claim of the TPM for the AK", "none",
                 "A host that names a register claims it: restart lodekeyd, or set tpm.ledger_pcr "
                 "to \"none\".")};
  }
  const auto ledger = ParseLedger(bytes);
  if (!ledger || ledger->empty()) {
    return {Rule("ledger-malformed", Outcome::kMessageRefused, "ledger", "a canonical event log",
                 ledger ? "no record" : ledger.error().text, "A ledger as lodekeyd writes it.")};
  }
  if (pcr >= tpm::kPcrCount || (policy.ledger_registers >> pcr & 1) == 0 ||
      ledger->front().pcr != pcr) {
    return {Rule("ledger-register", Outcome::kNodeRefused, Register(pcr),
                 tpm::FormatPcrMask(policy.ledger_registers),
                 fmt::format("PCR {}, records for PCR {}", pcr, ledger->front().pcr),
                 "Set tpm.ledger_pcr to a register that appraisal.ledger_registers allows.")};
  }
  const auto replayed = ReplayLedger(*ledger, policy.bank);
  const auto quoted = pcrs.values.find(pcr);
  if (!replayed || quoted == pcrs.values.end() || quoted->second != *replayed) {
    return {Rule("ledger-mismatch", Outcome::kNodeRefused, Register(pcr),
                 replayed ? ToHex(*replayed) : replayed.error().text,
                 quoted == pcrs.values.end() ? "not quoted" : ToHex(quoted->second),
                 "Something else extends this register: choose another (tpm.ledger_pcr) and reboot "
                 "the host.")};
  }
  if (!std::ranges::all_of(*ledger, DigestsCover)) {
    return {Rule("ledger-mismatch", Outcome::kNodeRefused, Register(pcr),
                 "the digests of what is recorded", "other digests", "Reboot the host.")};
  }
  if (claim_judged) return {};
  return CheckClaim(subject, ledger->front());
}

bool IsTouched(ByteView bytes) {
  const auto ledger = ParseLedger(bytes);
  return ledger && !ledger->empty() && !ledger->front().claim.first_look.empty();
}

FailedRules CheckEnrolledLedger(const Subject& subject,
                                const std::optional<EarlierEnrolment>& earlier,
                                const Evidence& evidence, const Proved& proved,
                                const AppraisalPolicy& policy) {
  const auto judge = [&](bool claim_judged) {
    return CheckLedger(subject, evidence.ledger_pcr, evidence.ledger.value_or(Bytes{}), proved.pcrs,
                       claim_judged, policy);
  };
  if (!earlier || !InEarlierBoot(*earlier, proved) || earlier->ledger_pcr == kNoLedger)
    return judge(/*claim_judged=*/false);
  // A second register would be a second claim of the same TPM in one boot.
  if (evidence.ledger_pcr != earlier->ledger_pcr) {
    const bool none = evidence.ledger_pcr == kNoLedger;
    return {Rule("ledger-register", Outcome::kNodeRefused,
                 none ? "ledger register" : Register(evidence.ledger_pcr),
                 fmt::format("{}, which was claimed in this boot", earlier->ledger_pcr),
                 none ? "none" : fmt::format("PCR {}", evidence.ledger_pcr),
                 fmt::format("Set tpm.ledger_pcr back to \"{}\" on the host, or reboot it: another "
                             "register can be claimed in another boot.",
                             earlier->ledger_pcr))};
  }
  return judge(!earlier->ledger.empty() &&
               Continues(earlier->ledger_pcr, earlier->ledger, evidence));
}

FailedRules CheckLedgerContinues(const Subject& subject, const EnrolledState& state,
                                 const Evidence& evidence, const Proved& proved,
                                 const AppraisalPolicy& policy) {
  const Bytes& ledger = evidence.ledger ? *evidence.ledger : state.ledger;
  const bool continues = Continues(state.ledger_pcr, state.ledger, evidence);
  // The claim was judged when the boot was enrolled.
  const bool claim_judged = continues && !state.ledger.empty();
  FailedRules failed =
      CheckLedger(subject, evidence.ledger_pcr, ledger, proved.pcrs, claim_judged, policy);
  if (continues && failed.empty()) return {};
  // A TPM Restart keeps the keys and empties the registers: what was judged is no longer what runs.
  if (proved.clock.restart_count != state.clock.restart_count) {
    return {Rule("log-restarted", Outcome::kEnrolAgain, "ledger",
                 "a ledger that continues after the suspend", "one that starts anew",
                 "The agent enrols again by itself; if it cannot, reboot the host.")};
  }
  if (failed.empty()) {
    failed.push_back(Rule("ledger-rewritten", Outcome::kNodeRefused, "ledger",
                          "the records sent before, then new ones", "other records",
                          "Reboot the host."));
  }
  return failed;
}

}  // namespace lodekey::attest::rules
