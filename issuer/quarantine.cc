#include "issuer/quarantine.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/audit_record.h"

namespace lodekey::issuer {

std::string QuarantineReason(const attest::Verdict& verdict) {
  const auto rule = std::ranges::find(verdict.failed(), attest::Outcome::kNodeQuarantined,
                                      &attest::FailedRule::outcome);
  if (rule == verdict.failed().end()) return {};
  return fmt::format("{}: {} is {}, expected {}: a clone is possible", rule->code, rule->subject,
                     rule->seen, rule->expected);
}

std::string QuarantineRecord(const NodeId& node, const std::string& reason, Time now) {
  return OperatorRecord(
      {.event = "node.quarantined", .actor = "issuer", .node = node, .detail = reason}, now);
}

}  // namespace lodekey::issuer
