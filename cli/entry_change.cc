#include "cli/entry_change.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "attest/entry_codec.h"
#include "cli/commands.h"
#include "cli/entry_view.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

// docs/protocol.md, Entries for operators.
constexpr int kMaxChanges = 1000;
constexpr size_t kMaxRequest = size_t{4} << 20;

using Outcomes = std::vector<EntryOutcome>;

Result<Outcomes> ReadOutcomes(const api::ApplyEntriesResponse& response) {
  Outcomes outcomes;
  for (const api::AppliedEntry& applied : response.applied()) {
    EntryOutcome& outcome = outcomes.emplace_back();
    outcome.changed = applied.changed();
    if (applied.has_before()) {
      ASSIGN_OR_RETURN(outcome.before, attest::DecodeEntry(applied.before()), "issuer");
    }
    if (applied.has_after()) {
      ASSIGN_OR_RETURN(outcome.after, attest::DecodeEntry(applied.after()), "issuer");
    }
  }
  return outcomes;
}

Error ReadRefusal(const api::RefusedEntry& refused, const std::vector<std::string>& sources) {
  const size_t index = refused.index();
  const std::string source = index < sources.size() ? sources[index] + ": " : "";
  return {.code = Code::kInvalidArgument,
          .text = source + platform::EscapeControl(refused.text()),
          .name = platform::EscapeControl(refused.code()),
          .advice = platform::EscapeControl(refused.advice())};
}

std::unexpected<Error> Refuse(Session& session, const api::ApplyEntriesResponse& response,
                              const ChangeContext& context, int changes) {
  std::vector<Error> refusals;
  for (const api::RefusedEntry& refused : response.refused())
    refusals.push_back(ReadRefusal(refused, context.sources));
  if (refusals.size() == 1) return std::unexpected(std::move(refusals.front()));
  return std::unexpected(PrintRefusals(
      session, refusals, "entries-refused",
      fmt::format("{} of {} changes are refused; nothing is changed", refusals.size(), changes)));
}

Result<void> CheckSize(const api::ApplyEntriesRequest& request) {
  if (request.changes_size() <= kMaxChanges && request.ByteSizeLong() <= kMaxRequest) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("{} changes of {} bytes are more than the issuer takes at once ({} and "
                          "{}); nothing is changed",
                          request.changes_size(), request.ByteSizeLong(), kMaxChanges, kMaxRequest),
              {.name = "too-many-changes", .advice = "Make them in several parts."});
}

std::string SummaryText(const Outcomes& outcomes, const ChangeContext& context) {
  const auto count = [&](bool before, bool after) {
    return std::ranges::count_if(outcomes, [&](const EntryOutcome& outcome) {
      return outcome.changed && outcome.before.has_value() == before &&
             outcome.after.has_value() == after;
    });
  };
  return fmt::format("{}{} created, {} updated, {} unchanged.\n",
                     context.options.dry_run ? "Dry run, nothing is changed: " : "",
                     count(false, true), count(true, true), context.unchanged);
}

void Print(Session& session, const Outcomes& outcomes, const ChangeContext& context, bool changed) {
  if (session.json()) {
    Json entries = Json::array();
    for (const EntryOutcome& outcome : outcomes) entries.push_back(OutcomeJson(outcome));
    session.PrintJson({{"changed", changed},
                       {"dry_run", context.options.dry_run},
                       {"entries", std::move(entries)},
                       {"unchanged", context.unchanged}});
    return;
  }
  for (const EntryOutcome& outcome : outcomes)
    session.Print(OutcomeText(outcome, context.options.dry_run, context.options.diff));
  if (context.summarise) session.Print(SummaryText(outcomes, context));
}

}  // namespace

void AddChangeOptions(CLI::App& verb, Session& session, ChangeOptions& options) {
  verb.add_flag("--dry-run", options.dry_run,
                "check and say what would change, and change nothing");
  verb.add_flag("--diff", options.diff, "also print each value that goes (-) or comes (+)");
  AddChangeFlag(verb, session);
}

Error PrintRefusals(Session& session, const std::vector<Error>& refusals, std::string name,
                    std::string summary) {
  for (const Error& refusal : refusals) session.PrintError(refusal);
  return {.code = Code::kInvalidArgument,
          .text = std::move(summary),
          .name = std::move(name),
          .advice = "Mend what is named above, and run the command again."};
}

Result<ExitCode> ApplyChanges(Session& session, api::ApplyEntriesRequest request,
                              const ChangeContext& context) {
  if (const auto fits = CheckSize(request); !fits) return std::unexpected(fits.error());
  request.set_dry_run(context.options.dry_run);
  Result<Outcomes> outcomes;
  if (request.changes_size() != 0) {
    const auto response = session.admin().ApplyEntries(request);
    if (!response) return std::unexpected(response.error());
    if (response->refused_size() != 0)
      return Refuse(session, *response, context, request.changes_size());
    outcomes = ReadOutcomes(*response);
    if (!outcomes) return std::unexpected(outcomes.error());
  }
  const bool changed = std::ranges::any_of(*outcomes, &EntryOutcome::changed);
  Print(session, *outcomes, context, changed);
  return session.Changed(changed);
}

}  // namespace lodekey::cli
