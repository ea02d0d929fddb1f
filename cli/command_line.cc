#include "cli/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "platform/clock.h"
#include "platform/escape.h"
#include "platform/suggestion.h"

namespace lodekey::cli {
namespace {

constexpr const char* kAgentSocketVariable = "LODEKEY_SOCKET";
constexpr const char* kWorkloadSocketVariable = "SPIFFE_ENDPOINT_SOCKET";
constexpr const char* kAdminSocketVariable = "LODEKEY_ADMIN_SOCKET";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("-c,--config", options.config,
                 fmt::format("the agent's configuration (default {})", platform::kAgentConfigFile))
      ->type_name("FILE");
  app.add_option("--set", options.settings, "a setting of it; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "-o,--output", [&options](const std::string& form) { options.json = form == "json"; },
         "how to print")
      ->type_name("FORM")
      ->check(CLI::IsMember({"table", "json"}));
  app.add_option("--socket", options.socket, "the agent's socket (LODEKEY_SOCKET)")
      ->type_name("PATH");
  app.add_option("--admin-socket", options.admin_socket,
                 "the issuer's admin socket (LODEKEY_ADMIN_SOCKET)")
      ->type_name("PATH");
}

// Whether -o json was given: for an error in the command line itself, which ends the parsing.
bool WantsJson(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "-ojson" || argument == "--output=json") return true;
    const bool named = argument == "-o" || argument == "--output";
    if (named && i + 1 < arguments.size() && arguments[i + 1] == "json") return true;
  }
  return false;
}

int Report(const Error& error, bool json, Surroundings& world) {
  world.out.flush();
  world.err << platform::FormatError("lodekey", error, json);
  return static_cast<int>(ExitCodeOf(error));
}

// The verb that was named last, or the program.
const CLI::App& LastChosen(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : LastChosen(*chosen.front());
}

// "lodekey node show", as far as the command line got.
std::string ChosenVerb(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + " " + ChosenVerb(*chosen.front());
}

// CLI11 says of an unknown verb only that one is missing.
std::string DescribeMissingVerb(const CLI::App& app) {
  const auto rest = app.remaining(/*recurse=*/true);
  if (rest.empty()) return "a verb is missing";
  std::vector<std::string> verbs;
  for (const CLI::App* verb : LastChosen(app).get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(verb->get_name());
  const auto meant = platform::SuggestFor(rest.front(), verbs);
  return fmt::format("there is no verb '{}'{}", platform::EscapeControl(rest.front()),
                     meant ? fmt::format(" (did you mean '{}'?)", *meant) : "");
}

// CLI11 says of an option without its value "--timeout: 1 required DURATION missing".
std::string DescribeUsage(std::string text) {
  static constexpr std::string_view kRequired = ": 1 required ";
  static constexpr std::string_view kMissing = " missing";
  const size_t at = text.find(kRequired);
  if (at == std::string::npos || !text.ends_with(kMissing)) return text;
  const size_t type = at + kRequired.size();
  return fmt::format("{} needs a value, {}", text.substr(0, at),
                     text.substr(type, text.size() - type - kMissing.size()));
}

int ReportUsage(const CLI::App& app, const CLI::ParseError& problem, bool json,
                Surroundings& world) {
  // Help is asked for by an exception, too.
  if (problem.get_exit_code() == 0) {
    return app.exit(problem, world.out, world.err);
  }
  const bool no_verb =
      problem.get_name() == "RequiredError" && LastChosen(app).get_require_subcommand_min() > 0;
  std::string text = no_verb ? DescribeMissingVerb(app) : DescribeUsage(problem.what());
  std::ranges::replace(text, '\n', ' ');
  while (text.ends_with('.') || text.ends_with(' ')) text.pop_back();
  const auto error = FailUsage(text, fmt::format("See: {} --help", ChosenVerb(app))).error();
  return Report(error, json, world);
}

void AddCommands(CLI::App& app, Session& session) {
  AddIdentityCommands(app, session);
  AddExplainCommand(app, session);
  AddSvidCommands(app, session);
  AddWorkloadCommands(app, session);
  AddEkCommand(app, session);
  AddDoctorCommand(app, session);
  AddNodeCommands(app, session);
  AddEntryCommands(app, session);
  AddPolicyCommands(app, session);
  AddAuditCommands(app, session);
  AddBundleCommands(app, session);
  AddConfigCommands(app, session);
}

// What was printed must have arrived: a script that reads an empty file must not go on.
Result<ExitCode> Finish(Result<ExitCode> done, std::ostream& out) {
  out.flush();
  if (out || !done) return done;
  return Fail(Code::kHardware, "standard output does not take what is printed",
              {.name = "output-failed", .advice = "Look for a full disk or a closed pipe."});
}

}  // namespace

int RunCommandLine(std::vector<std::string> arguments, Surroundings& surroundings) {
  Session session(surroundings);
  session.options.socket = Variable(kAgentSocketVariable);
  session.options.admin_socket = Variable(kAdminSocketVariable);
  session.options.workload_socket = Variable(kWorkloadSocketVariable);
  ::unsetenv(kAgentSocketVariable);

  CLI::App app(
      "Asks the agent on this host, and on the issuer's host the issuer, about identities.",
      "lodekey");
  app.fallthrough();  // inherited: global options may stand behind the verb
  app.require_subcommand(1);
  app.set_version_flag("--version", "lodekey " LODEKEY_VERSION, "print the version");
  AddGlobalOptions(app, session.options);
  // Inherited by each verb when it is added.
  app.footer(
      "Options of every verb: -c/--config FILE, --set KEY=VALUE, -o/--output table|json, "
      "--socket PATH, --admin-socket PATH; see: lodekey --help");
  AddCommands(app, session);
  app.footer(
      "Exit codes: 0 done, 1 failure, 2 usage, 3 not enrolled, 4 denied, 5 issuer "
      "unreachable, 6 TPM unavailable, 7 expired, 10 changed (--detailed-exitcode).");

  const bool wants_json = WantsJson(arguments);
  std::ranges::reverse(arguments);  // as CLI11 takes them
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& problem) {
    return ReportUsage(app, problem, wants_json, surroundings);
  }
  const auto done = Finish(session.verb(), surroundings.out);
  return done ? static_cast<int>(*done) : Report(done.error(), session.json(), surroundings);
}

void AddChangeFlag(CLI::App& verb, Session& session) {
  verb.add_flag("--detailed-exitcode", session.options.detailed_exitcode,
                "exit with 10 when something changed");
}

Surroundings RealSurroundings(std::ostream& out, std::ostream& err) {
  return {.out = out,
          .err = err,
          .connect_agent = ConnectAgent,
          .connect_admin = ConnectAdmin,
          .connect_workload_api = ConnectWorkloadApi,
          .now = platform::Now,
          .pause = [](Duration duration) { std::this_thread::sleep_for(duration); }};
}

}  // namespace lodekey::cli
