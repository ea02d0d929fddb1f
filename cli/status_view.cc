#include "cli/status_view.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "cli/explain.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

using lodekey::agent::v1::Status;
using lodekey::verdict::v1::Verdict;
using platform::EscapeControl;

Duration Left(const Status& status, Time now) {
  return Time(Duration(status.not_after_unix_ms())) - now;
}

std::string Hex(const std::string& bytes) { return ToHex(AsBytes(bytes)); }

std::string ServedSentence(const Status& status, Time now) {
  std::string text =
      fmt::format("This host is {}, for another {}.\n", EscapeControl(status.spiffe_id()),
                  FormatRoughly(Left(status, now)));
  if (status.has_problem()) {
    text += "It keeps this identity until then, but it does not get a new one.\n";
  }
  return text;
}

}  // namespace

Time AgentTime(const Status& status, Time wall) {
  return status.now_unix_ms() == 0 ? wall : Time(Duration(status.now_unix_ms()));
}

Serving ServingOf(const Status& status, Time now) {
  if (!status.spiffe_id().empty()) {
    return Left(status, now) > Duration(0) ? Serving::kServed : Serving::kExpired;
  }
  if (status.phase() == "refused") return Serving::kRefused;
  // The agent forgets an identity that has ended. It had one in this boot when it has attested in
  // it, and neither a verdict nor an operator took it.
  const bool lost = status.phase() != "unenrolled" && status.last_attested_unix_ms() != 0 &&
                    status.last_verdict().outcome() == Verdict::ACCEPTED;
  return lost ? Serving::kExpired : Serving::kNotEnrolled;
}

ExitCode ExitCodeOf(Serving serving) {
  switch (serving) {
    case Serving::kServed: return ExitCode::kDone;
    case Serving::kNotEnrolled: return ExitCode::kNotEnrolled;
    case Serving::kRefused: return ExitCode::kDenied;
    case Serving::kExpired: return ExitCode::kExpired;
  }
  return ExitCode::kFailure;
}

std::string StatusSentence(const Status& status, Time now) {
  switch (ServingOf(status, now)) {
    case Serving::kServed: return ServedSentence(status, now);
    case Serving::kRefused: return "The issuer refused this host; it has no identity.\n";
    case Serving::kExpired: return "This host's identity has ended and was not renewed.\n";
    case Serving::kNotEnrolled: break;
  }
  if (status.phase() == "unenrolled") {
    return "An operator asked this host to stay without an identity.\n";
  }
  return fmt::format("This host has no identity yet (the agent is {}).\n",
                     EscapeControl(status.phase()));
}

std::string StatusAdvice(const Status& status, Time now) {
  const Serving serving = ServingOf(status, now);
  if (serving == Serving::kExpired) {
    return "  What to do: see the problem below, or: lodekey doctor\n";
  }
  const bool asked_to = serving == Serving::kNotEnrolled && status.phase() == "unenrolled";
  return asked_to ? "  What to do: lodekey enroll\n" : "";
}

std::string ProblemText(const Status& status) {
  if (!status.has_problem()) return {};
  const auto& problem = status.problem();
  std::string text = fmt::format("The last problem: {}. [{}]\n", EscapeControl(problem.text()),
                                 EscapeControl(problem.code()));
  if (!problem.advice().empty()) {
    text += fmt::format("  What to do: {}\n", EscapeControl(problem.advice()));
  }
  return text;
}

std::string StatusText(const Status& status, Time now) {
  const Verdict& verdict = status.last_verdict();
  const bool refused = ServingOf(status, now) == Serving::kRefused;
  std::string text = StatusSentence(status, now) + StatusAdvice(status, now) +
                     (refused ? "  What to do: lodekey explain\n\n" : "\n");
  text += FormatFields({
      {"phase", status.phase()},
      {"health", status.health()},
      {"identity", status.spiffe_id()},
      {"serial", Hex(status.serial())},
      {"expires", FormatUnixMs(status.not_after_unix_ms())},
      {"last attested", FormatUnixMs(status.last_attested_unix_ms())},
      {"attests next", FormatUnixMs(status.next_attest_unix_ms())},
      {"last verdict", verdict.outcome() == Verdict::OUTCOME_UNSPECIFIED
                           ? std::string()
                           : fmt::format("{} at {}", OutcomeText(verdict.outcome()),
                                         FormatUnixMs(verdict.judged_unix_ms()))},
      {"trust domain", status.trust_domain()},
      {"issuer", status.issuer()},
      {"endorsement key", status.ek_hash()},
      {"attestation key", Hex(status.ak_name())},
      {"audit log seen", status.audit_seq() == 0
                             ? std::string()
                             : fmt::format("{}:{}", status.audit_seq(), Hex(status.audit_hash()))},
      {"bundle", status.bundle_sequence() == 0
                     ? std::string()
                     : fmt::format("sequence {}", status.bundle_sequence())},
      {"agent", status.version()},
  });
  const std::string problem = ProblemText(status);
  return problem.empty() ? text : text + "\n" + problem;
}

Json ProblemJson(const Status& status) {
  if (!status.has_problem()) return {};
  const auto& problem = status.problem();
  return {{"code", problem.code()},
          {"message", problem.text()},
          {"advice", JsonText(problem.advice())}};
}

Json StatusJson(const Status& status, Time now) {
  Json audit;
  if (status.audit_seq() != 0) {
    audit = {{"seq", status.audit_seq()}, {"hash", JsonHex(status.audit_hash())}};
  }
  return {{"served", ServingOf(status, now) == Serving::kServed},
          {"phase", status.phase()},
          {"health", status.health()},
          {"spiffe_id", JsonText(status.spiffe_id())},
          {"serial", JsonHex(status.serial())},
          {"not_after", JsonTime(status.not_after_unix_ms())},
          {"last_attested", JsonTime(status.last_attested_unix_ms())},
          {"next_attest", JsonTime(status.next_attest_unix_ms())},
          {"last_verdict", VerdictJson(status.last_verdict())},
          {"problem", ProblemJson(status)},
          {"trust_domain", JsonText(status.trust_domain())},
          {"issuer", JsonText(status.issuer())},
          {"ek_hash", JsonText(status.ek_hash())},
          {"ak_name", JsonHex(status.ak_name())},
          {"audit_head", audit},
          {"bundle_sequence", JsonCount(status.bundle_sequence())},
          {"version", status.version()}};
}

}  // namespace lodekey::cli
