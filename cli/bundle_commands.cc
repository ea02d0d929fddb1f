// bundle …: the roots that verify this trust domain's identities.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/bundle_view.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

// Roots are public.
constexpr mode_t kBundleMode = 0644;

struct BundleArguments {
  bool admin = false;
  std::string format = "pem";
  std::string out = {};
};

Result<TrustBundle> LoadBundle(Session& session, bool admin) {
  if (admin) {
    const auto response = session.admin().ShowBundle();
    if (!response) return std::unexpected(response.error());
    return ReadBundle(*response);
  }
  const auto response = session.AskAgent(&AgentClient::ShowBundle);
  if (!response) return std::unexpected(response.error());
  return ReadBundle(*response);
}

Result<ExitCode> Show(Session& session, const BundleArguments& arguments) {
  const auto bundle = LoadBundle(session, arguments.admin);
  if (!bundle) return std::unexpected(bundle.error());
  if (session.json()) {
    session.PrintJson(BundleJson(*bundle));
  } else {
    session.Print(BundleText(*bundle));
  }
  return ExitCode::kDone;
}

// Writes only what is not there yet, so that whoever watches the file is not woken for nothing.
Result<bool> WriteIfOther(const std::string& path, const std::string& content) {
  const auto before = platform::ReadTextFile(path);
  if (before && *before == content) return false;
  RETURN_IF_ERROR(platform::WriteFileAtomically(path, AsBytes(content), kBundleMode),
                  "write the bundle");
  return true;
}

Result<ExitCode> Export(Session& session, const BundleArguments& arguments) {
  const auto bundle = LoadBundle(session, arguments.admin);
  if (!bundle) return std::unexpected(bundle.error());
  const auto content = arguments.format == "spiffe" ? BundleSpiffe(*bundle)
                                                    : Result<std::string>(BundlePem(*bundle));
  if (!content) return std::unexpected(content.error());
  if (arguments.out.empty()) {
    session.Print(*content);
    return ExitCode::kDone;
  }
  const auto changed = WriteIfOther(arguments.out, *content);
  if (!changed) return std::unexpected(changed.error());
  if (session.json()) {
    session.PrintJson(
        {{"changed", *changed}, {"path", arguments.out}, {"sequence", bundle->sequence}});
  } else {
    session.Print(
        fmt::format("{} {}.\n", *changed ? "Wrote" : "Nothing changed in", arguments.out));
  }
  return session.Changed(*changed);
}

}  // namespace

void AddBundleCommands(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand("bundle", "the roots that verify identities: show, export");
  group.require_subcommand(1);
  const auto arguments = std::make_shared<BundleArguments>();
  const auto add_admin = [arguments](CLI::App& verb) {
    verb.add_flag("--admin", arguments->admin, "ask the issuer instead of the agent");
  };

  CLI::App& show = *group.add_subcommand("show", "show the roots");
  add_admin(show);
  show.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Show(session, *arguments); };
  });

  CLI::App& out = *group.add_subcommand("export", "write the roots for a verifier");
  out.add_option("--format", arguments->format, "PEM certificates, or the SPIFFE bundle format")
      ->type_name("FORM")
      ->check(CLI::IsMember({"pem", "spiffe"}));
  out.add_option("--out", arguments->out, "replace this file instead of printing")
      ->type_name("FILE");
  add_admin(out);
  AddChangeFlag(out, session);
  out.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Export(session, *arguments); };
  });
}

}  // namespace lodekey::cli
