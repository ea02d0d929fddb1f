#include "cli/policy_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hex.h"
#include "cli/node_view.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

using policy::v1::Decision;

std::string Codes(const Decision& decision) {
  std::string text;
  for (const auto& reason : decision.reasons()) text += (text.empty() ? "" : ", ") + reason.code();
  return text;
}

std::string ReasonText(const policy::v1::Reason& reason) {
  using platform::EscapeControl;
  std::string text = "- " + EscapeControl(reason.code());
  if (!reason.subject().empty()) text += " (" + EscapeControl(reason.subject()) + ")";
  if (!reason.text().empty()) text += ": " + EscapeControl(reason.text());
  if (!reason.expected().empty() || !reason.seen().empty())
    text += fmt::format("\n  expected {}, seen {}", EscapeControl(reason.expected()),
                        EscapeControl(reason.seen()));
  if (!reason.accept().empty()) text += "\n  What to do: " + EscapeControl(reason.accept());
  return text + "\n";
}

std::string VersionName(const policy::v1::Version& version) {
  return version.version() == 0 ? "0 (as shipped)" : std::to_string(version.version());
}

std::string NoteOf(const policy::v1::Version& version) {
  std::string note = version.note();
  const auto add = [&](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (version.rolled_back_to() != 0) add(fmt::format("back to {}", version.rolled_back_to()));
  if (version.has_signature()) add(fmt::format("signed as {}", version.signature().version()));
  if (version.allows_all()) add("ALLOWS EVERYTHING");
  return note;
}

std::string Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? "" : fmt::format(" ({} %)", part * 100 / whole);
}

}  // namespace

std::string DecisionSummary(const Decision& decision) {
  if (!decision.allowed()) return "deny: " + Codes(decision);
  std::string text = "allow";
  if (decision.approval()) text += ", once approved";
  if (decision.ttl_ms() != 0) text += ", for " + FormatDuration(Duration(decision.ttl_ms()));
  if (decision.evidence_within_ms() != 0)
    text += ", on evidence of the last " + FormatDuration(Duration(decision.evidence_within_ms()));
  return text;
}

std::string DecisionText(const Decision& decision) {
  std::string text = FormatFields(
      {{"Decision", DecisionSummary(decision)},
       {"Point", decision.point()},
       {"Rule", decision.rule()},
       {"Policy", fmt::format("version {}", decision.policy_version())},
       {"Input", decision.input_digest().empty() ? "" : ToHex(AsBytes(decision.input_digest()))}});
  for (const auto& reason : decision.reasons()) text += ReasonText(reason);
  return text;
}

Json DecisionJson(const Decision& decision) {
  Json reasons = Json::array();
  for (const auto& reason : decision.reasons()) {
    reasons.push_back({{"code", reason.code()},
                       {"subject", JsonText(reason.subject())},
                       {"expected", JsonText(reason.expected())},
                       {"seen", JsonText(reason.seen())},
                       {"text", JsonText(reason.text())},
                       {"accept", JsonText(reason.accept())}});
  }
  const auto seconds = [](int64_t ms) { return ms == 0 ? Json() : Json(ms / 1000); };
  return {{"point", decision.point()},
          {"decided", JsonTime(decision.decided_unix_ms())},
          {"node", JsonText(decision.node())},
          {"entry", JsonText(decision.entry())},
          {"policy_version", decision.policy_version()},
          {"allowed", decision.allowed()},
          {"rule", decision.rule()},
          {"reasons", std::move(reasons)},
          {"ttl", seconds(decision.ttl_ms())},
          {"evidence_within", seconds(decision.evidence_within_ms())},
          {"approval", decision.approval()},
          {"input", JsonHex(decision.input_digest())}};
}

std::string VersionListText(const admin::v1::ListPoliciesResponse& policies) {
  std::vector<Row> rows;
  for (const auto& version : policies.versions()) {
    rows.push_back({VersionName(version), FormatUnixMs(version.applied_unix_ms()),
                    version.applied_by(), AbbreviateHex(ToHex(AsBytes(version.digest()))),
                    NoteOf(version)});
  }
  return FormatTable({"VERSION", "APPLIED", "BY", "DIGEST", "NOTE"}, rows);
}

Json VersionJson(const policy::v1::Version& version) {
  Json json = {{"version", version.version()},
               {"digest", JsonHex(version.digest())},
               {"applied", JsonTime(version.applied_unix_ms())},
               {"applied_by", JsonText(version.applied_by())},
               {"note", JsonText(version.note())},
               {"rolled_back_to", JsonCount(version.rolled_back_to())},
               {"allows_all", version.allows_all()},
               {"signature", nullptr}};
  if (version.has_signature())
    json["signature"] = {{"version", version.signature().version()},
                         {"signer", "ed25519:" + ToHex(AsBytes(version.signature().key()))}};
  return json;
}

std::string TestsText(const admin::v1::CheckPolicyResponse& checked) {
  std::string text;
  int passed = 0;
  for (const auto& test : checked.tests()) {
    passed += test.passed() ? 1 : 0;
    if (!test.passed())
      text +=
          platform::EscapeControl(fmt::format("FAIL  {}{}{}", test.name(),
                                              test.message().empty() ? "" : ": ", test.message())) +
          "\n";
  }
  return text + fmt::format("{} passed, {} failed\n", passed, checked.tests_size() - passed);
}

std::string PlanText(const admin::v1::PlanPolicyResponse& plan, const std::string& directory,
                     int64_t since_unix_ms) {
  const uint64_t changed = plan.decisions() - plan.same();
  std::string text = fmt::format(
      "{} against version {}, which decides now:\n{} decisions since {} decided again: {} as "
      "before, {} otherwise.\n",
      directory.empty() ? "The present policy" : directory, plan.base_version(), plan.decisions(),
      FormatUnixMs(since_unix_ms), plan.same(), changed);
  std::vector<Row> rows;
  for (const auto& change : plan.changes()) {
    rows.push_back({change.point(), ShortNodeId(change.node()), change.entry(),
                    DecisionSummary(change.before()), DecisionSummary(change.after()),
                    std::to_string(change.count())});
  }
  if (!rows.empty())
    text += "\n" + FormatTable({"POINT", "NODE", "ENTRY", "WAS", "WOULD BE", "TIMES"}, rows);
  if (plan.truncated()) text += "There is more than is shown; ask for less time with --since.\n";
  text += fmt::format("\n{} of {} active nodes{} would lose their identity as they attest next.\n",
                      plan.nodes_cut_off(), plan.nodes_active(),
                      Percent(plan.nodes_cut_off(), plan.nodes_active()));
  if (plan.nodes_judged() < plan.nodes_active())
    text += fmt::format("{} more cannot be judged: their last evidence is not on record.\n",
                        plan.nodes_active() - plan.nodes_judged());
  if (!directory.empty())
    text += fmt::format("Apply it with: lodekey policy apply {} --base {}{}\n", directory,
                        plan.base_version(), plan.locks_out() ? " --yes-lock-out" : "");
  return text;
}

Json PlanJson(const admin::v1::PlanPolicyResponse& plan) {
  Json changes = Json::array();
  for (const auto& change : plan.changes()) {
    changes.push_back({{"point", change.point()},
                       {"node", JsonText(change.node())},
                       {"entry", JsonText(change.entry())},
                       {"count", change.count()},
                       {"before", DecisionJson(change.before())},
                       {"after", DecisionJson(change.after())}});
  }
  return {{"base_version", plan.base_version()},
          {"decisions", plan.decisions()},
          {"same", plan.same()},
          {"changes", std::move(changes)},
          {"nodes_active", plan.nodes_active()},
          {"nodes_judged", plan.nodes_judged()},
          {"nodes_cut_off", plan.nodes_cut_off()},
          {"locks_out", plan.locks_out()},
          {"truncated", plan.truncated()}};
}

}  // namespace lodekey::cli
