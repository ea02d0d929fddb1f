#include "issuer/decision.h"

#include <algorithm>

#include "attest/codec.h"
#include "issuer/policy_message.h"

namespace lodekey::issuer {
namespace {

using attest::Outcome;

// By an AK that is not the node's nothing can be taken from the node; else what the policy says.
Outcome OutcomeOf(const attest::Verdict& verdict, const PolicyOutput& output) {
  if (output.allow) return Outcome::kAccepted;
  const bool message_only =
      verdict.by_new_ak() || std::ranges::all_of(output.reasons, &Reason::message_only);
  return message_only ? Outcome::kMessageRefused : Outcome::kNodeRefused;
}

}  // namespace

Decision Decision::After(const attest::Verdict& verdict, const Ruling& ruling) {
  if (!verdict.decidable() || ruling.point() != PolicyPoint::kStanding) return Refusal(verdict);
  Decision decision;
  decision.outcome_ = OutcomeOf(verdict, ruling.output());
  decision.ruling_ = ruling;
  for (const Reason& reason : ruling.output().reasons)
    decision.failed_.push_back({.code = reason.code,
                                .outcome = decision.outcome_,
                                .subject = reason.subject,
                                .expected = reason.expected,
                                .seen = reason.seen,
                                .accept = reason.accept});
  return decision;
}

Decision Decision::Refusal(const attest::Verdict& verdict) {
  Decision decision;
  if (!verdict.decidable()) decision.outcome_ = verdict.outcome();
  decision.failed_ = verdict.failed();
  return decision;
}

Standing Decision::standing() const {
  switch (outcome_) {
    case Outcome::kAccepted: return Standing::kActive;
    case Outcome::kNodeQuarantined: return Standing::kQuarantined;
    // The boot that was enrolled is over: the node is as before its first enrolment.
    case Outcome::kEnrolAgain: return Standing::kAllowed;
    case Outcome::kMessageRefused:
    case Outcome::kNodeRefused: break;
  }
  return Standing::kRefused;
}

Decision DecideStanding(const LoadedPolicy& policy, const PolicyScene& scene,
                        const NodeRecord& record, std::string_view assurance,
                        const attest::Verdict& verdict, Time evidence_time) {
  if (!verdict.decidable()) return Decision::Refusal(verdict);
  return Decision::After(
      verdict,
      Policy::Decide(policy, PolicyPoint::kStanding,
                     StandingInput(scene, record, assurance, verdict, evidence_time), scene.now));
}

lodekey::verdict::v1::Verdict EncodeVerdict(const attest::Verdict& verdict,
                                            const Decision& decision, const NodeId& node,
                                            Time now) {
  auto message = attest::EncodeVerdict(verdict, decision.outcome(), decision.failed(), now);
  if (decision.ruling()) *message.mutable_decision() = DecisionOf(*decision.ruling(), node, {});
  return message;
}

}  // namespace lodekey::issuer
