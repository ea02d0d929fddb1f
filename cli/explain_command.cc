// explain: why this host, or a node, has no identity; or that it has one.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/node_view.h"
#include "cli/session.h"
#include "cli/status_view.h"

namespace lodekey::cli {
namespace {

Result<ExitCode> ExplainHost(Session& session) {
  const auto status = session.agent().ShowStatus();
  if (!status) return std::unexpected(status.error());
  const auto& verdict = status->last_verdict();
  const std::string text =
      ExplainVerdict(verdict, {.next_attest_unix_ms = status->next_attest_unix_ms()});
  // A verdict is also the last problem; it is told once.
  const bool same =
      !verdict.failed().empty() && verdict.failed(0).code() == status->problem().code();
  if (session.json()) {
    session.PrintJson({{"subject", JsonText(status->spiffe_id())},
                       {"verdict", VerdictJson(verdict)},
                       {"problem", ProblemJson(*status)},
                       {"next_attest", JsonTime(status->next_attest_unix_ms())},
                       {"text", text}});
    return ExitCode::kDone;
  }
  const Time now = AgentTime(*status, session.Now());
  if (!same && (ServingOf(*status, now) != Serving::kServed || status->has_problem())) {
    session.Print(StatusSentence(*status, now) + "\n");
  }
  session.Print(text);
  if (!same && status->has_problem()) session.Print("\n" + ProblemText(*status));
  return ExitCode::kDone;
}

Result<ExitCode> ExplainNode(Session& session, const std::string& name) {
  const auto node = session.admin().ShowNode(name);
  if (!node) return std::unexpected(node.error());
  const std::string text =
      StandingSentence(*node) + "\n" +
      ExplainVerdict(node->last_verdict(), {.who = "node " + ShortNodeId(node->id())});
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

}  // namespace

void AddExplainCommand(CLI::App& app, Session& session) {
  auto* explain = app.add_subcommand(
      "explain", "say in sentences what the issuer thinks of this host, or of a node");
  const auto node = std::make_shared<std::string>();
  explain
      ->add_option("--node", *node,
                   "a node of the issuer: its id, a prefix of 8 digits or more, or its SPIFFE ID")
      ->type_name("NODE");
  explain->callback([&session, node] {
    session.verb = [&session, node] {
      return node->empty() ? ExplainHost(session) : ExplainNode(session, *node);
    };
  });
}

}  // namespace lodekey::cli
