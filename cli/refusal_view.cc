#include "cli/refusal_view.h"

#include <fmt/format.h>

#include "attest/token_purpose.h"
#include "cli/policy_view.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::agent::v1;
using platform::EscapeControl;

std::string WhatOf(const api::Refused& refused) {
  if (refused.kind() != "jwt") return "X.509-SVID";
  return EscapeControl(attest::DescribePurpose(
      {.audiences = {refused.audiences().begin(), refused.audiences().end()},
       .scopes = {refused.scopes().begin(), refused.scopes().end()},
       .task = refused.task()}));
}

std::string ReasonSentences(const std::string& text, const std::string& code,
                            const std::string& advice) {
  const std::string next = advice.empty() ? "" : " " + EscapedSentence(advice);
  return fmt::format("{} [{}]{}", EscapedSentence(text), EscapeControl(code), next);
}

// A reason may be told by what was expected and seen alone.
std::string TextOf(const policy::v1::Reason& reason) {
  if (!reason.text().empty()) return reason.text();
  return fmt::format("{}: expected {}, seen {}", reason.subject(), reason.expected(),
                     reason.seen());
}

}  // namespace

std::string EscapedSentence(std::string_view text) {
  const std::string escaped = EscapeControl(text);
  return escaped.ends_with('.') ? escaped : escaped + ".";
}

std::string RefusedText(const api::Refused& refused, const std::string& indent) {
  const auto& refusal = refused.refusal();
  const std::string head = fmt::format("{}the issuer refused it a {} at {}: ", indent,
                                       WhatOf(refused), FormatUnixMs(refused.refused_unix_ms()));
  const auto& reasons = refusal.decision().reasons();
  if (reasons.empty())
    return head + ReasonSentences(refusal.text(), refusal.code(), refusal.advice()) + "\n";
  std::string text = head;
  for (const auto& reason : reasons) {
    if (&reason != &reasons.at(0)) text += indent + "  and: ";
    text += ReasonSentences(TextOf(reason), reason.code(), reason.accept()) + "\n";
  }
  return text + fmt::format("{}  by rule {} of policy version {}\n", indent,
                            EscapeControl(refusal.decision().rule()),
                            refusal.decision().policy_version());
}

Json RefusedJson(const api::Refused& refused) {
  const auto& refusal = refused.refusal();
  return {{"kind", refused.kind()},
          {"audiences", refused.audiences()},
          {"scopes", refused.scopes()},
          {"task", JsonText(refused.task())},
          {"time", JsonTime(refused.refused_unix_ms())},
          {"code", refusal.code()},
          {"text", refusal.text()},
          {"advice", JsonText(refusal.advice())},
          {"decision", refusal.has_decision() ? DecisionJson(refusal.decision()) : Json()}};
}

}  // namespace lodekey::cli
