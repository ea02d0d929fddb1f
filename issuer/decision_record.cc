#include "issuer/decision_record.h"

#include <fmt/format.h>

#include "attest/policy_failure.h"
#include "issuer/policy_message.h"

namespace lodekey::issuer {
namespace {

// A reason may do without a sentence.
std::string Sentence(const Reason& reason) {
  if (!reason.text.empty()) return reason.text;
  if (reason.subject.empty()) return "the policy denies it";
  if (reason.seen.empty()) return fmt::format("the policy denies it: {}", reason.subject);
  return fmt::format("the policy denies it: {} is {}, expected {}", reason.subject, reason.seen,
                     reason.expected.empty() ? "something else" : reason.expected);
}

}  // namespace

DecisionRecord DecisionRecordOf(const Ruling& ruling, const NodeId& node,
                                const std::string& entry) {
  return {.seq = 0,
          .decided = ruling.decided(),
          .point = std::string(PolicyPointName(ruling.point())),
          .node = node,
          .entry = entry,
          .policy_version = ruling.policy_version(),
          .allowed = ruling.allowed(),
          .outcome = DecisionOf(ruling, node, entry).SerializeAsString(),
          .input_digest = ruling.input_digest(),
          .input = ruling.input()};
}

Error RefusalError(const Ruling& denial) {
  const std::vector<Reason>& reasons = denial.output().reasons;
  const Reason first = reasons.empty() ? Reason{.code = "policy-error"} : reasons.front();
  // Where there was no answer, whoever comes again may be let in.
  const Code code = attest::IsPolicyFailure(first.code) ? Code::kUnavailable : Code::kDenied;
  return {.code = code, .text = Sentence(first), .name = first.code, .advice = first.accept};
}

}  // namespace lodekey::issuer
