#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "attest/appraisal_rules.h"

namespace lodekey::attest::rules {
namespace {

std::string PcrName(uint8_t pcr, crypto::HashAlg bank) {
  return fmt::format("PCR {} ({})", pcr, crypto::HashName(bank));
}

std::string ApproveCommand(const Subject& subject, uint8_t pcr) {
  return fmt::format("lodekey node approve-pcrs {} --pcr {}", subject.node_id, pcr);
}

// `reboot_helps`: the next boot will not be taken for this one. `ledger_stands`: the claim that was
// accepted in this boot would be, for this AK, too.
std::string ApproveAkAdvice(const Subject& subject, bool reboot_helps, bool ledger_stands) {
  std::string approve = fmt::format(
      "If the host was reinstalled or its state was lost: lodekey node approve-ak {} --ak {}",
      subject.node_id, ToHex(subject.ak.name()));
  if (ledger_stands) return reboot_helps ? approve + ", or reboot the host" : approve;
  return "Only a reboot of the host helps: the ledger with this boot's claim of its TPM is lost. " +
         approve + " before that";
}

std::string RegistersOf(const References& references) {
  tpm::PcrMask registers = 0;
  for (const auto& [pcr, values] : references) registers |= 1U << pcr;
  return registers == 0 ? "absent" : tpm::FormatPcrMask(registers);
}

std::string YesNo(bool value) { return value ? "yes" : "no"; }

std::string JoinHex(const std::vector<Bytes>& values) {
  // A group may accept hundreds of values; a verdict must stay small enough to be stored.
  constexpr size_t kShown = 4;
  std::string text;
  for (const Bytes& value : values | std::views::take(kShown))
    text += (text.empty() ? "" : " or ") + ToHex(value);
  if (values.size() > kShown) text += fmt::format(" or one of {} more", values.size() - kShown);
  return text;
}

}  // namespace

bool InEarlierBoot(const EarlierEnrolment& earlier, const Proved& proved) {
  return proved.clock.reset_count <= earlier.clock.reset_count;
}

FailedRules CheckAkSuccession(const Subject& subject, const EnrolmentContext& context,
                              const Evidence& evidence, const Proved& proved,
                              const AppraisalPolicy& policy) {
  const auto& earlier = context.earlier;
  if (AkSuccession(subject, context) != "new" || !InEarlierBoot(*earlier, proved)) return {};
  const bool ledger_stands =
      CheckEnrolledLedger(subject, earlier, evidence, proved, policy).empty() &&
      (!IsTouched(evidence.ledger.value_or(Bytes{})) || IsTouched(earlier->ledger));
  // The standing stays: otherwise anybody with access to the TPM could take the identity from the
  // node.
  return {{.code = "ak-changed-in-boot",
           .outcome = Outcome::kMessageRefused,
           .subject = "attestation key",
           .expected = ToHex(earlier->ak_name),
           .seen = ToHex(subject.ak.name()),
           .accept = ApproveAkAdvice(
               subject, earlier->clock.reset_count == proved.clock.reset_count, ledger_stands)}};
}

std::string_view AkSuccession(const Subject& subject, const EnrolmentContext& context) {
  const auto& earlier = context.earlier;
  if (!earlier || Equal(earlier->ak_name, subject.ak.name())) return "same";
  return Equal(context.approved_ak, subject.ak.name()) ? "approved" : "new";
}

std::vector<Fact> AkFacts(const Subject& subject, const EnrolmentContext& context) {
  if (AkSuccession(subject, context) == "same") return {};
  return {{"attestation-key-name", ToHex(subject.ak.name()), Grade::kProved},
          {"attestation-key-before", ToHex(context.earlier->ak_name), Grade::kProved}};
}

FailedRules CheckSameBoot(const Subject& subject, const std::optional<EarlierEnrolment>& earlier,
                          const Evidence& evidence, const Proved& proved,
                          const AppraisalPolicy& policy) {
  if (!earlier || !InEarlierBoot(*earlier, proved)) return {};
  FailedRules failed;
  const bool same_clock = Equal(earlier->ak_name, subject.ak.name()) &&
                          earlier->clock.reset_count == proved.clock.reset_count;
  if (same_clock)
    std::ranges::copy(CheckCounters({.clock = earlier->clock}, proved.clock),
                      std::back_inserter(failed));
  std::ranges::copy(CheckBootLogUnchanged(subject, earlier->boot_log_digest, evidence),
                    std::back_inserter(failed));
  std::ranges::copy(CheckStaticPcrs(subject, earlier->static_pcrs, proved.pcrs, policy),
                    std::back_inserter(failed));
  return failed;
}

FailedRules CheckResetCount(const Subject& subject, const std::optional<EarlierEnrolment>& earlier,
                            const tpm::ClockInfo& clock) {
  if (!earlier || clock.reset_count >= earlier->clock.reset_count) return {};
  if (!earlier->since_decrease || *earlier->since_decrease >= kResetCountWatch) return {};
  return {{.code = "reset-count-decreased-again",
           .outcome = Outcome::kNodeQuarantined,
           .subject = "TPM resetCount",
           .expected = fmt::format("at least {}", earlier->clock.reset_count),
           .seen = std::to_string(clock.reset_count),
           .accept = fmt::format(
               "Find the second machine that has a copy of this TPM, and stop it; then: "
               "lodekey node remove {0}, lodekey node allow {0}",
               subject.node_id)}};
}

FailedRules CheckCounters(const EnrolledState& state, const tpm::ClockInfo& clock) {
  const tpm::ClockInfo& last = state.clock;
  if (clock.reset_count != last.reset_count) {
    const bool rebooted = clock.reset_count > last.reset_count;
    return {{.code = rebooted ? "rebooted" : "reset-count-decreased",
             .outcome = Outcome::kEnrolAgain,
             .subject = "TPM resetCount",
             .expected = std::to_string(last.reset_count),
             .seen = std::to_string(clock.reset_count),
             .accept = "The agent enrols again by itself."}};
  }
  const std::string advice =
      "Find out which machine signed it; then remove the node and allow it again.";
  if (clock.restart_count < last.restart_count) {
    return {{.code = "clock-went-back",
             .outcome = Outcome::kNodeQuarantined,
             .subject = "TPM restartCount",
             .expected = fmt::format("at least {}", last.restart_count),
             .seen = std::to_string(clock.restart_count),
             .accept = advice}};
  }
  // Without the safe flag the clock may have been set back by a power loss: nothing follows from it
  // (part 1, 36.3).
  if (!clock.safe || !last.safe || clock.clock >= last.clock) return {};
  return {{.code = "clock-went-back",
           .outcome = Outcome::kNodeQuarantined,
           .subject = "TPM clock",
           .expected = fmt::format("at least {} ms", last.clock),
           .seen = fmt::format("{} ms", clock.clock),
           .accept = advice}};
}

FailedRules CheckBootLogUnchanged(const Subject& subject, ByteView enrolled,
                                  const Evidence& evidence) {
  if (Equal(enrolled, evidence.boot_log_digest)) return {};
  return {{.code = "boot-log-changed",
           .outcome = Outcome::kNodeRefused,
           .subject = "boot log",
           .expected = enrolled.empty() ? "no log" : ToHex(enrolled),
           .seen = evidence.boot_log_digest.empty() ? "no log" : ToHex(evidence.boot_log_digest),
           .accept = fmt::format(
               "The kernel's boot log does not change within a boot; reboot the host. A TPM that "
               "was cleared counts from 0 again, and its next boots are taken for this one until "
               "the node is admitted anew: lodekey node remove {0}, lodekey node allow {0}",
               subject.node_id)}};
}

FailedRules CheckStaticPcrs(const Subject& subject, const tpm::PcrBank& first,
                            const tpm::PcrBank& now, const AppraisalPolicy& policy) {
  FailedRules failed;
  for (const auto& [pcr, value] : first.values) {
    const auto seen = now.values.find(pcr);
    if ((policy.static_pcrs >> pcr & 1) == 0 || (seen != now.values.end() && seen->second == value))
      continue;
    failed.push_back({.code = "pcr-changed-in-boot",
                      .outcome = Outcome::kNodeRefused,
                      .subject = PcrName(pcr, now.alg),
                      .expected = ToHex(value),
                      .seen = seen == now.values.end() ? "nothing" : ToHex(seen->second),
                      .accept = fmt::format("Reboot the host, or, if the change is yours: {}",
                                            ApproveCommand(subject, pcr))});
  }
  return failed;
}

FailedRules CheckReferences(const Subject& subject, const tpm::PcrBank& pcrs,
                            const References& references, const FailedRules& already) {
  FailedRules failed;
  for (const auto& [pcr, accepted] : references) {
    const std::string name = PcrName(pcr, pcrs.alg);
    const auto value = pcrs.values.find(pcr);
    const bool good =
        value != pcrs.values.end() && std::ranges::find(accepted, value->second) != accepted.end();
    const bool reported =
        std::ranges::any_of(already, [&](const FailedRule& rule) { return rule.subject == name; });
    if (good || reported) continue;
    failed.push_back({.code = "pcr-not-approved",
                      .outcome = Outcome::kNodeRefused,
                      .subject = name,
                      .expected = JoinHex(accepted),
                      .seen = value == pcrs.values.end() ? "nothing" : ToHex(value->second),
                      .accept = ApproveCommand(subject, pcr)});
  }
  return failed;
}

std::vector<Fact> StateFacts(const Evidence& evidence, const Proved& proved,
                             const References& references, const Before& before) {
  const auto digest_or_absent = [](const Bytes& digest) {
    return digest.empty() ? std::string("absent") : "sha256:" + ToHex(digest);
  };
  return {
      {"pcr-bank", std::string(crypto::HashName(proved.pcrs.alg)), Grade::kProved},
      {"reset-count", std::to_string(proved.clock.reset_count), Grade::kProved},
      {"restart-count", std::to_string(proved.clock.restart_count), Grade::kProved},
      {"clock-safe", YesNo(proved.clock.safe), Grade::kProved},
      {"firmware-version", fmt::format("{:#x}", proved.firmware_version), Grade::kProved},
      {"firmware-changed", YesNo(before.firmware_version != proved.firmware_version),
       Grade::kProved},
      {"attestation-key", std::string(before.attestation_key), Grade::kProved},
      {"boot-log", digest_or_absent(evidence.boot_log_digest), Grade::kRecorded},
      {"ledger-register",
       evidence.ledger_pcr == kNoLedger ? "absent" : std::to_string(evidence.ledger_pcr),
       Grade::kRecorded},
      {"ledger-touched",
       YesNo(IsTouched(evidence.ledger ? ByteView(*evidence.ledger) : before.ledger)),
       Grade::kRecorded},
      {"reference-values", RegistersOf(references), Grade::kDeclared},
  };
}

}  // namespace lodekey::attest::rules
