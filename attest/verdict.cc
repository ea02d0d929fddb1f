#include "attest/verdict.h"

#include <algorithm>
#include <array>
#include <iterator>

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

std::optional<Grade> ParseGrade(std::string_view name) {
  using enum Grade;
  constexpr std::array kGrades = {kProved, kKernelMeasured, kRecorded, kObserved, kDeclared};
  const auto* const grade = std::ranges::find(kGrades, name, GradeName);
  return grade == kGrades.end() ? std::nullopt : std::optional(*grade);
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
  for (const FailedRule& rule : failed_) {
    if (rule.outcome != Outcome::kNodeRefused) worst = std::max(worst, rule.outcome);
  }
  return worst;
}

std::vector<FailedRule> Verdict::findings() const {
  std::vector<FailedRule> found;
  std::ranges::copy_if(failed_, std::back_inserter(found), [](const FailedRule& rule) {
    return rule.outcome == Outcome::kNodeRefused;
  });
  return found;
}

bool Verdict::by_new_ak() const {
  return std::ranges::any_of(facts_, [](const Fact& fact) {
    return fact.name == "attestation-key" && fact.value == "new";
  });
}

}  // namespace lodekey::attest
