// config show: the agent's settings and where each comes from; version.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/text.h"

namespace lodekey::cli {
namespace {

constexpr std::string_view kMissing = "(missing)";

bool IsRequired(const std::string& key) {
  return std::ranges::any_of(platform::AgentConfigSchema(), [&](const platform::Option& option) {
    return option.key == key && !option.fallback;
  });
}

// The settings, whole or as far as they are there.
std::vector<platform::Config::Row> Settings(const platform::Config& config) {
  std::vector<platform::Config::Row> rows = config.Dump();
  for (auto& row : rows) {
    if (row.origin == "default" && IsRequired(row.key)) row.value = kMissing;
  }
  return rows;
}

void PrintTable(Session& session, const std::vector<platform::Config::Row>& settings, bool origin) {
  std::vector<Row> rows;
  for (const auto& setting : settings) {
    const std::string value = setting.value.empty() ? "\"\"" : setting.value;
    rows.push_back(origin ? Row{setting.key, value, setting.origin} : Row{setting.key, value});
  }
  session.Print(FormatTable(origin ? Row{"KEY", "VALUE", "ORIGIN"} : Row{"KEY", "VALUE"}, rows));
}

void PrintSettings(Session& session, const std::vector<platform::Config::Row>& settings,
                   const Result<platform::AgentConfig>& whole, bool origin) {
  if (!session.json()) {
    PrintTable(session, settings, origin);
    return;
  }
  Json json = {{"valid", whole.has_value()}, {"settings", Json::array()}};
  for (const auto& setting : settings) {
    Json& row = json["settings"].emplace_back();
    row = {{"key", setting.key},
           {"value", setting.value == kMissing ? Json() : Json(setting.value)},
           {"origin", setting.origin},
           {"doc", setting.doc}};
  }
  if (!whole) json["problem"] = JsonError(whole.error());
  session.PrintJson(json);
}

Result<ExitCode> Show(Session& session, bool origin) {
  const auto whole = session.LoadConfig();
  // What is there is shown also when something else is missing.
  const auto partial = whole ? Result<platform::Config>(whole->raw) : session.LoadPartialConfig();
  if (partial) PrintSettings(session, Settings(*partial), whole, origin);
  if (!whole) return std::unexpected(whole.error());
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
