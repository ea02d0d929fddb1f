// config show: the agent's settings and where each comes from; version.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/text.h"

namespace lodekey::cli {
namespace {

using Setting = platform::Config::Row;

// Whether a source cannot be parsed: then not even defaults are taken, since it may set them all.
bool AnyUnknown(const std::vector<Setting>& settings) {
  return std::ranges::any_of(platform::AgentConfigSchema(), [&](const platform::Option& option) {
    const auto setting = std::ranges::find(settings, option.key, &Setting::key);
    return option.fallback && setting != settings.end() && setting->origin.empty();
  });
}

// The cell of a value; why there is none is told by the problem behind the table.
std::string ValueText(const Setting& setting, bool any_unknown) {
  if (setting.value) return setting.value->empty() ? "\"\"" : *setting.value;
  if (!setting.origin.empty()) return "(wrong)";
  return any_unknown ? "(unknown)" : "(missing)";
}

void PrintTable(Session& session, const std::vector<Setting>& settings, bool origin) {
  const bool any_unknown = AnyUnknown(settings);
  std::vector<Row> rows;
  for (const Setting& setting : settings) {
    const std::string value = ValueText(setting, any_unknown);
    rows.push_back(origin ? Row{setting.key, value, setting.origin} : Row{setting.key, value});
  }
  session.Print(FormatTable(origin ? Row{"KEY", "VALUE", "ORIGIN"} : Row{"KEY", "VALUE"}, rows));
}

Json ValueJson(const platform::Config& config, const Setting& setting) {
  if (!setting.value) return {};
  return setting.is_list ? Json(config.List(setting.key)) : Json(*setting.value);
}

void PrintSettings(Session& session, const platform::Config& config,
                   const std::optional<Error>& problem, bool origin) {
  const std::vector<Setting> settings = config.Dump();
  if (!session.json()) {
    // None is known of a file that cannot be read.
    if (!settings.empty()) PrintTable(session, settings, origin);
    return;
  }
  Json json = {{"valid", !problem}, {"settings", Json::array()}};
  for (const Setting& setting : settings) {
    Json& row = json["settings"].emplace_back();
    row = {{"key", setting.key},
           {"value", ValueJson(config, setting)},
           {"origin", JsonText(setting.origin)},
           {"doc", setting.doc}};
  }
  if (problem) json["problem"] = JsonError(*problem);
  session.PrintJson(json);
}

Result<ExitCode> Show(Session& session, bool origin) {
  const auto whole = session.LoadConfig();
  std::optional<Error> problem;
  if (!whole) problem = whole.error();
  PrintSettings(session, session.ReadConfig().config, problem, origin);
  if (problem) return std::unexpected(*problem);
  return ExitCode::kDone;
}

Result<ExitCode> ShowVersion(Session& session) {
  if (session.json()) {
    session.PrintJson({{"version", LODEKEY_VERSION}});
  } else {
    session.Print(fmt::format("lodekey {}\n", LODEKEY_VERSION));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddConfigCommands(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand("config", "the agent's configuration: show");
  group.require_subcommand(1);
  CLI::App& show = *group.add_subcommand("show", "show every setting, or what is wrong with them");
  const auto origin = std::make_shared<bool>(false);
  show.add_flag("--origin", *origin, "also where each comes from");
  show.callback(
      [&session, origin] { session.verb = [&session, origin] { return Show(session, *origin); }; });
  app.add_subcommand("version", "print the version")->callback([&session] {
    session.verb = [&session] { return ShowVersion(session); };
  });
}

}  // namespace lodekey::cli
