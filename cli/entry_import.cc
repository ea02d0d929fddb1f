// entry import: the issuer's entries as a file says, all of it or nothing.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/entry_change.h"
#include "cli/entry_file.h"
#include "cli/entry_list.h"
#include "cli/entry_plan.h"
#include "cli/session.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

struct ImportArguments {
  std::string file = {};
  ChangeOptions options = {};
};

std::unexpected<Error> RefuseLines(Session& session, const std::vector<Error>& problems,
                                   const std::string& file) {
  if (problems.size() == 1) return std::unexpected(problems.front());
  return std::unexpected(
      PrintRefusals(session, problems, "entries-refused",
                    fmt::format("{} lines of {} cannot be imported; nothing is changed",
                                problems.size(), platform::EscapeControl(file))));
}

Result<ExitCode> Import(Session& session, const ImportArguments& arguments) {
  const auto file = ReadEntryFile(arguments.file);
  if (!file) return std::unexpected(file.error());
  if (!file->problems.empty()) return RefuseLines(session, file->problems, arguments.file);
  const auto existing = ListEntries(session, {});
  if (!existing) return std::unexpected(existing.error());
  EntryPlan plan = PlanImport(file->lines, *existing);
  if (!plan.problems.empty()) return RefuseLines(session, plan.problems, arguments.file);
  return ApplyChanges(session, std::move(plan.request),
                      {.options = arguments.options,
                       .sources = std::move(plan.sources),
                       .unchanged = plan.unchanged,
                       .summarise = true});
}

}  // namespace

void AddEntryImport(CLI::App& group, Session& session) {
  CLI::App& import = *group.add_subcommand(
      "import", "create and update entries as a file says, all of it or nothing");
  const auto arguments = std::make_shared<ImportArguments>();
  import.add_option("FILE", arguments->file, "one entry in JSON on each line; -: standard input")
      ->required();
  AddChangeOptions(import, session, arguments->options);
  import.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Import(session, *arguments); };
  });
}

}  // namespace lodekey::cli
