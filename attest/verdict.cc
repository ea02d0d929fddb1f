#include "attest/verdict.h"

#include <algorithm>

namespace lodekey::attest {

std::string_view GradeName(Grade grade) {
  switch (grade) {
    case Grade::kProved: return "proved";
    case Grade::kKernelMeasured: return "kernel-measured";
    case Grade::kRecorded: return "recorded";
    case Grade::kObserved: return "observed";
    case Grade::kDeclared: return "declared";
  }
  return "observed";
}

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted: return "accepted";
    case Outcome::kMessageRefused: return "message-refused";
    case Outcome::kEnrolAgain: return "enrol-again";
    case Outcome::kNodeRefused: return "refused";
    case Outcome::kNodeQuarantined: return "quarantined";
  }
  return "message-refused";
}

Outcome Verdict::outcome() const {
  Outcome worst = Outcome::kAccepted;
  for (const FailedRule& rule : failed_) worst = std::max(worst, rule.outcome);
  return worst;
}

}  // namespace lodekey::attest
