#include "cli/explain.h"

#include <fmt/format.h>

#include "cli/rule_sentence.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

using lodekey::verdict::v1::FailedRule;
using lodekey::verdict::v1::Verdict;
using platform::EscapeControl;

// A stored verdict that the issuer cannot read has no outcome either, but says so.
bool NeverJudged(const Verdict& verdict) {
  return verdict.outcome() == Verdict::OUTCOME_UNSPECIFIED && verdict.failed().empty();
}

std::string Consequence(Verdict::Outcome outcome) {
  switch (outcome) {
    case Verdict::MESSAGE_REFUSED:
      return "did not take the evidence of {who}; its identity is as it was, and the agent sends "
             "new evidence by itself";
    case Verdict::ENROL_AGAIN:
      return "ended the enrolment of {who}: it belongs to an earlier boot, and the agent enrols "
             "again by itself";
    case Verdict::NODE_REFUSED: return "refused {who}: its identity is withdrawn";
    case Verdict::NODE_QUARANTINED:
      return "quarantined {who}: there may be a copy of it, and an operator has to look";
    case Verdict::OUTCOME_UNSPECIFIED: return "cannot say what it last found of {who}";
    default: return "judged {who}";
  }
}

// "At … the issuer".
std::string Subject(const Verdict& verdict, const ExplainContext& context) {
  const std::string when = FormatUnixMs(verdict.judged_unix_ms());
  if (!context.superseded)
    return when.empty() ? "The issuer" : fmt::format("At {} the issuer", when);
  return when.empty() ? "Before that the issuer"
                      : fmt::format("Before that, at {} the issuer", when);
}

std::string Opening(const Verdict& verdict, const ExplainContext& context) {
  const std::string issuer = Subject(verdict, context);
  if (verdict.outcome() == Verdict::ACCEPTED) {
    const std::string next = FormatUnixMs(context.next_attest_unix_ms);
    return fmt::format("{} accepted {}: every rule was satisfied.{}\n", issuer, context.who,
                       next.empty() ? "" : fmt::format(" It attests next at {}.", next));
  }
  return fmt::format(
      "{} {}.\n", issuer,
      fmt::format(fmt::runtime(Consequence(verdict.outcome())), fmt::arg("who", context.who)));
}

std::string Paragraph(int number, const FailedRule& rule) {
  std::string text = fmt::format("\n{}. {}\n", number, RuleSentence(rule));
  if (!rule.accept().empty()) {
    text += fmt::format("   What would accept it: {}\n", EscapeControl(rule.accept()));
  }
  text += fmt::format("   Code:     {}\n", EscapeControl(rule.code()));
  if (!rule.expected().empty()) {
    text += fmt::format("   Expected: {}\n", EscapeControl(rule.expected()));
  }
  if (!rule.seen().empty()) text += fmt::format("   Seen:     {}\n", EscapeControl(rule.seen()));
  return text;
}

}  // namespace

std::string ExplainVerdict(const Verdict& verdict, const ExplainContext& context) {
  if (NeverJudged(verdict)) {
    return fmt::format("The issuer has not judged {} yet.\n", context.who);
  }
  std::string text = Opening(verdict, context);
  int number = 0;
  for (const FailedRule& rule : verdict.failed()) text += Paragraph(++number, rule);
  return text;
}

std::string_view OutcomeText(Verdict::Outcome outcome) {
  switch (outcome) {
    case Verdict::ACCEPTED: return "accepted";
    case Verdict::MESSAGE_REFUSED: return "message-refused";
    case Verdict::ENROL_AGAIN: return "enrol-again";
    case Verdict::NODE_REFUSED: return "node-refused";
    case Verdict::NODE_QUARANTINED: return "node-quarantined";
    default: return "none";
  }
}

Json VerdictJson(const Verdict& verdict) {
  if (NeverJudged(verdict)) return {};
  Json json = {{"outcome", OutcomeText(verdict.outcome())},
               {"judged", JsonTime(verdict.judged_unix_ms())},
               {"failed", Json::array()},
               {"facts", Json::array()}};
  for (const FailedRule& rule : verdict.failed()) {
    json["failed"].push_back({{"code", rule.code()},
                              {"sentence", RuleSentence(rule)},
                              {"subject", rule.subject()},
                              {"expected", rule.expected()},
                              {"seen", rule.seen()},
                              {"accept", rule.accept()}});
  }
  for (const auto& fact : verdict.facts()) {
    json["facts"].push_back(
        {{"name", fact.name()}, {"value", fact.value()}, {"grade", fact.grade()}});
  }
  return json;
}

}  // namespace lodekey::cli
