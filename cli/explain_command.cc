// explain: why this host, a node or a process has no identity; or that it has one.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/node_view.h"
#include "cli/session.h"
#include "cli/status_view.h"
#include "cli/workload_view.h"

namespace lodekey::cli {
namespace {

// What is so now, then its reason; what was judged before it comes last.
std::string HostText(const agent::v1::Status& status, Time now) {
  const auto& verdict = status.last_verdict();
  // A verdict is also the last problem; it is told once.
  const bool same =
      !verdict.failed().empty() && verdict.failed(0).code() == status.problem().code();
  const bool well = ServingOf(status, now) == Serving::kServed && !status.has_problem();
  if (same || well) {
    return ExplainVerdict(verdict, {.next_attest_unix_ms = status.next_attest_unix_ms()});
  }
  const std::string reason = status.has_problem() ? ProblemText(status) : StatusAdvice(status, now);
  return StatusSentence(status, now) + reason + "\n" +
         ExplainVerdict(verdict, {.superseded = true});
}

Result<ExitCode> ExplainHost(Session& session) {
  const auto status = session.AskAgent(&AgentClient::ShowStatus);
  if (!status) return std::unexpected(status.error());
  const std::string text = HostText(*status, AgentTime(*status, session.Now()));
  if (session.json()) {
    session.PrintJson({{"subject", JsonText(status->spiffe_id())},
                       {"verdict", VerdictJson(status->last_verdict())},
                       {"problem", ProblemJson(*status)},
                       {"next_attest", JsonTime(status->next_attest_unix_ms())},
                       {"text", text}});
  } else {
    session.Print(text);
  }
  return ExitCode::kDone;
}

Result<ExitCode> ExplainNode(Session& session, const std::string& name) {
  const auto node = session.admin().ShowNode(name);
  if (!node) return std::unexpected(node.error());
  const std::string text = StandingSentence(*node, session.Now()) + "\n" +
                           ExplainVerdict(node->last_verdict(), NodeContext(*node));
  if (session.json()) {
    session.PrintJson({{"subject", node->spiffe_id()},
                       {"standing", node->standing()},
                       {"verdict", VerdictJson(node->last_verdict())},
                       {"text", text}});
  } else {
    session.Print(text);
  }
  return ExitCode::kDone;
}

Result<ExitCode> ExplainProcess(Session& session, int pid) {
  const auto workload = session.AskAgent(&AgentClient::InspectWorkload, pid);
  if (!workload) return std::unexpected(workload.error());
  const std::string text = ExplainWorkload(*workload);
  if (session.json()) {
    Json json = WorkloadJson(*workload);
    json["text"] = text;
    session.PrintJson(json);
  } else {
    session.Print(text);
  }
  return ExitCode::kDone;
}

}  // namespace

void AddExplainCommand(CLI::App& app, Session& session) {
  auto* explain = app.add_subcommand(
      "explain",
      "say in sentences what the issuer thinks of this host or of a node, or what a process gets");
  const auto node = std::make_shared<std::string>();
  explain
      ->add_option("--node", *node,
                   "a node of the issuer: its id, a prefix of 8 digits or more, or its SPIFFE ID")
      ->type_name("NODE")
      ->check(CheckNodeName);
  const auto pid = std::make_shared<int>(0);
  AddPidOption(*explain, *pid);
  explain->get_option("--pid")->excludes("--node");
  explain->callback([&session, node, pid] {
    session.verb = [&session, node, pid] {
      if (*pid != 0) return ExplainProcess(session, *pid);
      return node->empty() ? ExplainHost(session) : ExplainNode(session, *node);
    };
  });
}

}  // namespace lodekey::cli
