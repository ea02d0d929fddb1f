// svid …: the identities of whoever runs the command, from the Workload API.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "attest/token_purpose.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/session.h"
#include "cli/svid_view.h"

namespace lodekey::cli {
namespace {

struct SvidArguments {
  std::string timeout = "10s";
  std::string directory = {};
  attest::TokenPurpose purpose = {};
  std::string spiffe_id = {};
  uint64_t count = 0;
};
using Arguments = std::shared_ptr<SvidArguments>;

Result<void> Show(Session& session, const X509SVIDResponse& response,
                  const std::string& directory) {
  const auto svids = ReadSvids(response);
  if (!svids) return std::unexpected(svids.error());
  std::vector<std::string> paths;
  if (!directory.empty()) {
    auto written = WriteSvids(*svids, directory);
    if (!written) return std::unexpected(std::move(written.error()));
    paths = *std::move(written);
  }
  if (session.json()) {
    session.PrintJson({{"svids", SvidsJson(*svids)}, {"files", paths}});
  } else {
    session.Print(SvidsText(*svids));
    for (const std::string& path : paths) session.Print(fmt::format("Wrote {}.\n", path));
  }
  return {};
}

Result<ExitCode> FetchX509(Session& session, const SvidArguments& arguments) {
  const auto limit = ReadDuration(arguments.timeout, "--timeout");
  if (!limit) return std::unexpected(limit.error());
  const auto response = session.AskWorkloadApi(&WorkloadClient::FetchX509Svid, *limit);
  if (!response) return std::unexpected(response.error());
  if (auto shown = Show(session, *response, arguments.directory); !shown)
    return std::unexpected(std::move(shown.error()));
  return ExitCode::kDone;
}

Result<ExitCode> FetchJwt(Session& session, const SvidArguments& arguments) {
  const auto limit = ReadDuration(arguments.timeout, "--timeout");
  if (!limit) return std::unexpected(limit.error());
  const auto purpose = attest::Canonical(arguments.purpose);
  if (!purpose) return std::unexpected(purpose.error());
  const auto response =
      session.AskWorkloadApi(&WorkloadClient::FetchJwtSvid, *purpose, arguments.spiffe_id, *limit);
  if (!response) return std::unexpected(response.error());
  if (session.json()) {
    session.PrintJson({{"svids", JwtSvidsJson(*response)}});
  } else {
    session.Print(JwtSvidsText(*response));
  }
  return ExitCode::kDone;
}

Result<ExitCode> Watch(Session& session, const SvidArguments& arguments) {
  uint64_t seen = 0;
  Result<void> shown;
  const auto each = [&](const X509SVIDResponse& response) {
    if (seen > 0 && !session.json()) session.Print("\n");
    if (!session.json())
      session.Print(fmt::format("update {} at {}\n", seen + 1, FormatTime(session.Now())));
    shown = Show(session, response, arguments.directory);
    session.Flush();
    return shown && ++seen != arguments.count;
  };
  const auto watched = session.AskWorkloadApi(&WorkloadClient::WatchX509Svid,
                                              std::function<bool(const X509SVIDResponse&)>(each));
  if (!watched) return std::unexpected(watched.error());
  if (!shown) return std::unexpected(std::move(shown.error()));
  return ExitCode::kDone;
}

CLI::App* AddVerb(CLI::App& group, Session& session, const Arguments& arguments, const char* name,
                  const char* help, Result<ExitCode> (*run)(Session&, const SvidArguments&)) {
  CLI::App* verb = group.add_subcommand(name, help);
  verb->add_option("--workload-socket", session.options.workload_socket,
                   "the Workload API's socket (SPIFFE_ENDPOINT_SOCKET)")
      ->type_name("PATH");
  verb->callback([&session, arguments, run] {
    session.verb = [&session, arguments, run] { return run(session, *arguments); };
  });
  return verb;
}

void AddDirectory(CLI::App& verb, const Arguments& arguments) {
  verb.add_option("--write", arguments->directory,
                  "write svid.N.pem, svid.N.key and bundle.N.pem there")
      ->type_name("DIRECTORY");
}

void AddTimeout(CLI::App& verb, const Arguments& arguments) {
  verb.add_option("--timeout", arguments->timeout, "how long to wait for the agent (default 10s)")
      ->type_name("DURATION");
}

}  // namespace

void AddSvidCommands(CLI::App& app, Session& session) {
  auto* svid = app.add_subcommand("svid", "get the identities of the process that asks");
  svid->require_subcommand(1);
  auto* fetch = svid->add_subcommand("fetch", "get them once");
  fetch->require_subcommand(1);
  const auto arguments = std::make_shared<SvidArguments>();

  auto* x509 = AddVerb(*fetch, session, arguments, "x509",
                       "X.509-SVIDs with their keys and the bundle", FetchX509);
  AddDirectory(*x509, arguments);
  AddTimeout(*x509, arguments);

  auto* jwt = AddVerb(*fetch, session, arguments, "jwt", "JWT-SVIDs for an audience", FetchJwt);
  jwt->add_option("--audience", arguments->purpose.audiences,
                  "who is to accept it; may be given again")
      ->type_name("NAME")
      ->required()
      ->allow_extra_args(false);
  jwt->add_option("--scope", arguments->purpose.scopes,
                  "what it is to allow there; may be given again")
      ->type_name("NAME")
      ->allow_extra_args(false);
  jwt->add_option("--task", arguments->purpose.task, "on whose behalf")->type_name("NAME");
  jwt->add_option("--spiffe-id", arguments->spiffe_id, "only for this identity")->type_name("ID");
  AddTimeout(*jwt, arguments);

  auto* watch = AddVerb(*svid, session, arguments, "watch",
                        "show X.509-SVIDs, and each update, until the agent ends it", Watch);
  AddDirectory(*watch, arguments);
  watch->add_option("--count", arguments->count, "stop after so many updates")->type_name("NUMBER");
}

}  // namespace lodekey::cli
