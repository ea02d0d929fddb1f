// enroll, unenroll, attest, status: this host's identity, through the agent.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/explain.h"
#include "cli/session.h"
#include "cli/status_view.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::agent::v1;
using lodekey::verdict::v1::Verdict;

constexpr Duration kPoll = Duration(200);

Json ChangeJson(const api::EnrollResponse& response) {
  const api::Status& status = response.status();
  return {{"changed", response.changed()},
          {"spiffe_id", JsonText(status.spiffe_id())},
          {"not_after", JsonTime(status.not_after_unix_ms())}};
}

Result<ExitCode> Enroll(Session& session, const std::string& timeout) {
  const auto limit = ReadDuration(timeout, "--timeout");
  if (!limit) return std::unexpected(limit.error());
  const auto response = session.AskAgent(&AgentClient::Enroll, *limit);
  if (!response) return std::unexpected(response.error());
  const api::Status& status = response->status();
  if (session.json()) {
    session.PrintJson(ChangeJson(*response));
  } else {
    session.Print(fmt::format(
        "{} {}, valid until {}.\n", response->changed() ? "Enrolled as" : "Already enrolled as",
        platform::EscapeControl(status.spiffe_id()), FormatUnixMs(status.not_after_unix_ms())));
  }
  return session.Changed(response->changed());
}

Result<ExitCode> Unenroll(Session& session) {
  const auto response = session.AskAgent(&AgentClient::Unenroll);
  if (!response) return std::unexpected(response.error());
  if (session.json()) {
    session.PrintJson(ChangeJson(*response));
  } else {
    session.Print(response->changed()
                      ? "This host has no identity any more, until: lodekey enroll\n"
                      : "This host was not enrolled; nothing changed.\n");
  }
  return session.Changed(response->changed());
}

// Shows the verdict behind a failed attestation, when it is one.
void ExplainRefusal(Session& session, const Error& error) {
  if (error.code != Code::kDenied && error.code != Code::kConflict) return;
  const auto status = session.AskAgent(&AgentClient::ShowStatus);
  if (!status) return;
  const Verdict& verdict = status->last_verdict();
  const bool its = !verdict.failed().empty() && verdict.failed(0).code() == error.Name();
  if (!its) return;
  if (session.json()) {
    session.PrintJson({{"accepted", false}, {"verdict", VerdictJson(verdict)}});
  } else {
    session.Print(ExplainVerdict(verdict, {}) + "\n");
  }
}

Result<ExitCode> Attest(Session& session) {
  const auto response = session.AskAgent(&AgentClient::Attest);
  if (!response) {
    ExplainRefusal(session, response.error());
    return std::unexpected(response.error());
  }
  const api::Status& status = response->status();
  if (session.json()) {
    session.PrintJson({{"accepted", true},
                       {"spiffe_id", JsonText(status.spiffe_id())},
                       {"not_after", JsonTime(status.not_after_unix_ms())},
                       {"next_attest", JsonTime(status.next_attest_unix_ms())},
                       {"verdict", VerdictJson(status.last_verdict())}});
  } else {
    session.Print(ExplainVerdict(status.last_verdict(),
                                 {.next_attest_unix_ms = status.next_attest_unix_ms()}));
  }
  return ExitCode::kDone;
}

// The status once an identity is served, or when `limit` is over. An agent that does not answer yet
// may be starting.
Result<api::Status> AwaitServed(Session& session, Duration limit) {
  for (Duration waited(0);; waited += kPoll) {
    auto status = session.AskAgent(&AgentClient::ShowStatus);
    const bool served =
        status && ServingOf(*status, AgentTime(*status, session.Now())) == Serving::kServed;
    const bool hopeless = !status && ExitCodeOf(status.error()) == ExitCode::kUsage;
    if (served || hopeless || waited >= limit) return status;
    session.Pause(kPoll);
  }
}

Result<ExitCode> ShowStatus(Session& session, const std::string& wait) {
  const auto limit = ReadDuration(wait, "--wait");
  if (!limit) return std::unexpected(limit.error());
  const auto status = AwaitServed(session, *limit);
  if (!status) return std::unexpected(status.error());
  const Time now = AgentTime(*status, session.Now());
  if (session.json()) {
    session.PrintJson(StatusJson(*status, now));
  } else {
    session.Print(StatusText(*status, now));
  }
  return ExitCodeOf(ServingOf(*status, now));
}

}  // namespace

void AddIdentityCommands(CLI::App& app, Session& session) {
  auto* enroll =
      app.add_subcommand("enroll", "get an identity for this host, or show the one it has");
  const auto timeout = std::make_shared<std::string>("60s");
  enroll->add_option("--timeout", *timeout, "how long to wait for the agent (default 60s)")
      ->type_name("DURATION");
  AddChangeFlag(*enroll, session);
  enroll->callback([&session, timeout] {
    session.verb = [&session, timeout] { return Enroll(session, *timeout); };
  });

  auto* unenroll =
      app.add_subcommand("unenroll", "give this host's identity up until it enrolls again");
  AddChangeFlag(*unenroll, session);
  unenroll->callback([&session] { session.verb = [&session] { return Unenroll(session); }; });

  auto* attest = app.add_subcommand("attest", "prove to the issuer now what this host is");
  attest->callback([&session] { session.verb = [&session] { return Attest(session); }; });

  auto* status = app.add_subcommand("status", "show this host's identity and how the agent fares");
  const auto wait = std::make_shared<std::string>("0s");
  status->add_option("--wait", *wait, "wait so long for an identity")->type_name("DURATION");
  status->callback(
      [&session, wait] { session.verb = [&session, wait] { return ShowStatus(session, *wait); }; });
}

}  // namespace lodekey::cli
