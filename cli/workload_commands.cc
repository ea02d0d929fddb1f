// workload inspect, entry suggest: a process on this host, as the agent sees it.
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/workload_view.h"

namespace lodekey::cli {
namespace {

Result<ExitCode> Inspect(Session& session, int pid) {
  const auto workload = session.AskAgent(&AgentClient::InspectWorkload, pid);
  if (!workload) return std::unexpected(workload.error());
  if (session.json()) {
    session.PrintJson(WorkloadJson(*workload));
  } else {
    session.Print(WorkloadText(*workload));
  }
  return ExitCode::kDone;
}

Result<ExitCode> Suggest(Session& session, int pid) {
  const auto workload = session.AskAgent(&AgentClient::InspectWorkload, pid);
  if (!workload) return std::unexpected(workload.error());
  const auto status = session.AskAgent(&AgentClient::ShowStatus);
  if (!status) return std::unexpected(status.error());
  const auto suggestion = SuggestEntry(*workload, status->ek_hash(), status->trust_domain());
  if (!suggestion) return std::unexpected(suggestion.error());
  session.Print(session.json() ? SuggestionLine(*suggestion) + "\n" : SuggestionText(*suggestion));
  return ExitCode::kDone;
}

}  // namespace

void AddPidOption(CLI::App& verb, int& pid) {
  verb.add_option("--pid", pid, "a process on this host")
      ->type_name("PID")
      ->check(CLI::PositiveNumber);
}

void AddWorkloadCommands(CLI::App& app, Session& session) {
  auto* workload = app.add_subcommand("workload", "look at processes as the agent does");
  workload->require_subcommand(1);
  auto* inspect = workload->add_subcommand(
      "inspect", "show every selector of a process with its grade, and the entries that match");
  const auto pid = std::make_shared<int>(0);
  AddPidOption(*inspect, *pid);
  inspect->get_option("--pid")->required();
  inspect->callback(
      [&session, pid] { session.verb = [&session, pid] { return Inspect(session, *pid); }; });
}

void AddSuggestCommand(CLI::App& group, Session& session) {
  auto* suggest = group.add_subcommand(
      "suggest", "print an entry for a process on this host, to be made on the issuer");
  const auto pid = std::make_shared<int>(0);
  AddPidOption(*suggest, *pid);
  suggest->get_option("--pid")->required();
  suggest->callback(
      [&session, pid] { session.verb = [&session, pid] { return Suggest(session, *pid); }; });
}

}  // namespace lodekey::cli
