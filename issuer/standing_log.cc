#include "issuer/standing_log.h"

#include <fmt/format.h>

#include "platform/log.h"

namespace lodekey::issuer {

using platform::LogEvent;
using platform::LogLevel;

std::string FirstFailure(const std::vector<attest::FailedRule>& failed) {
  if (failed.empty()) return {};
  const attest::FailedRule& rule = failed.front();
  return fmt::format("{}: {} is {}, expected {}", rule.code, rule.subject, rule.seen,
                     rule.expected);
}

void LogStanding(const NodeId& node, Standing before, Standing after, const std::string& reason) {
  if (before == after) return;
  const std::string advice = "On the issuer: lodekey explain --node " + node;
  switch (after) {
    case Standing::kActive:
      return LogEvent(LogLevel::kInfo, "a node was accepted and has an identity",
                      {{"node", node}, {"before", std::string(StandingName(before))}});
    case Standing::kRefused:
      return LogEvent(LogLevel::kWarning, "a node was refused: it has no identity any more",
                      {{"node", node}, {"reason", reason}, {"advice", advice}});
    case Standing::kQuarantined:
      return LogEvent(LogLevel::kError,
                      "a node is quarantined: there may be a copy of it, and somebody has to look",
                      {{"node", node}, {"reason", reason}, {"advice", advice}});
    case Standing::kPending:
      return LogEvent(
          LogLevel::kInfo, "a host proved its TPM and waits for approval",
          {{"node", node}, {"reason", reason}, {"advice", "On the issuer: lodekey node pending"}});
    case Standing::kAllowed:
    case Standing::kRemoved:
    case Standing::kBarred: return;  // an operator's doing
  }
}

}  // namespace lodekey::issuer
