#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include "crypto/secret.h"
#include "issuer/policy_directory.h"
#include "issuer/policy_engine.h"
#include "issuer/run.h"
#include "platform/log.h"
#include "platform/overrides.h"
#include "platform/process.h"
#include "platform/program.h"
#include "platform/unix_listener.h"

namespace {

using lodekey::Error;
using lodekey::Result;
using lodekey::platform::ExitCode;

int Report(const Error& error) {
  std::fputs(lodekey::platform::FormatError("lodekey-issuer", error, false).c_str(), stderr);
  return static_cast<int>(lodekey::platform::ExitCodeOf(error));
}

int Main(int argc, char** argv) {
  CLI::App app(
      "The central issuer of lodekey: verifies what hosts prove by their TPMs and signs their "
      "identities.",
      "lodekey-issuer");
  std::string config_path;
  std::vector<std::string> settings;
  app.add_option("-c,--config", config_path,
                 "configuration file (default /etc/lodekey/issuer.toml)");
  app.add_option("--set", settings, "a setting as key=value; overrides file and environment")
      ->allow_extra_args(false);
  app.require_subcommand(0, 1);
  app.add_subcommand("run", "serve agents and operators (default)");
  auto* init = app.add_subcommand("init", "make the certificate authorities and the database");
  std::string policy_path;
  init->add_option("--policy", policy_path,
                   "directory with the policy that decides first (default: the shipped one)");
  const auto* check = app.add_subcommand(
      "check", "open database and keys, verify the whole audit log, and say whether all are sound");
  const auto* check_config =
      app.add_subcommand("check-config", "read the configuration and say what is wrong with it");
  const auto* version = app.add_subcommand("version", "print the version");
  app.footer(
      "Keys of the configuration: see docs/configuration.md. Admin verbs live in the lodekey "
      "command.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  if (version->parsed()) {
    fmt::print("lodekey-issuer {}\n", LODEKEY_VERSION);
    return 0;
  }
  const auto overrides = lodekey::platform::ParseOverrides(settings);
  if (!overrides) return Report(overrides.error());
  const auto config = lodekey::issuer::LoadIssuerConfig(config_path, *overrides);
  if (!config) return Report(config.error());
  if (check_config->parsed()) {
    const std::string& group = config->admin_group;
    const auto found =
        group.empty() ? lodekey::Result<gid_t>(0) : lodekey::platform::FindGroup(group);
    if (!found) return Report(found.error());
    fmt::print("The configuration is good.\n");
    return 0;
  }
  if (init->parsed()) {
    std::optional<lodekey::issuer::PolicyBundle> policy;
    if (!policy_path.empty()) {
      auto read = lodekey::issuer::ReadPolicyDirectory(policy_path);
      if (!read) return Report(read.error());
      policy = *std::move(read);
    }
    const auto made = lodekey::issuer::Init(*config, policy);
    if (!made) return Report(made.error());
    fmt::print(
        "Made the authorities of trust domain '{}' in {}.\n\nFor the agents' configuration:\n  "
        "issuer_pins = [\"{}\"]\n\n"
        "For 'lodekey audit verify':\n  --key {}\n\nThe root's key lies in {}/ca/root.key. Keep a "
        "copy elsewhere.\n",
        config->trust_domain, config->state_dir, made->pin, made->audit_key, config->state_dir);
    return 0;
  }
  if (check->parsed()) {
    const auto sound = lodekey::issuer::Check(*config);
    if (!sound) {
      static_cast<void>(Report(sound.error()));
      return static_cast<int>(ExitCode::kFailure);
    }
    fmt::print("Database, audit log and keys are sound.\n");
    return 0;
  }
  lodekey::platform::InitLog(config->log_level);
  const auto served = lodekey::issuer::Run(*config);
  return served ? 0 : Report(served.error());
}

}  // namespace

int main(int argc, char** argv) {
  // A policy worker (issuer/policy_engine.h) has neither configuration nor keys, and needs no more
  // of this program than that. It leaves as it is: what runs at exit may do what it may not.
  if (argc == 2 && std::string_view(argv[1]) == "policy-worker")
    ::_exit(lodekey::issuer::RunPolicyWorker());
  try {
    if (const auto hardened = lodekey::platform::HardenProcess(); !hardened)
      return Report(hardened.error());
    // protobuf would write a line for every malformed string of a stranger.
    google::protobuf::SetLogHandler(nullptr);
    if (const auto ready = lodekey::crypto::InitCrypto(); !ready) return Report(ready.error());
    return Main(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "lodekey-issuer: %s\n", exception.what());
    return static_cast<int>(ExitCode::kFailure);
  }
}
