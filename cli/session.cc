#include "cli/session.h"

#include "platform/overrides.h"

namespace lodekey::cli {
namespace {

constexpr std::string_view kAgentSocket = "/run/lodekey/agent.sock";
constexpr std::string_view kAdminSocket = "/run/lodekey-issuer/admin.sock";

}  // namespace

platform::ConfigSchema PartialAgentSchema() {
  platform::ConfigSchema schema = platform::AgentConfigSchema();
  for (platform::Option& option : schema) {
    if (option.fallback) continue;
    option.fallback = "";
    option.check = nullptr;
    option.min = 0;
  }
  return schema;
}

void Session::PrintJson(const Json& members) {
  Json json = {{"schema", 1}};
  json.update(members);
  Print(DumpJson(json));
}

Result<platform::AgentConfig> Session::LoadConfig() const {
  ASSIGN_OR_RETURN(const auto settings, platform::ParseOverrides(options.settings), "command line");
  return platform::LoadAgentConfig(options.config, settings);
}

Result<platform::Config> Session::LoadPartialConfig() const {
  ASSIGN_OR_RETURN(const auto settings, platform::ParseOverrides(options.settings), "command line");
  const bool named = !options.config.empty();
  return platform::LoadConfig(
      PartialAgentSchema(),
      {.file = named ? options.config : std::string(platform::kAgentConfigFile),
       .file_required = named,
       .environment_prefix = std::string(platform::kAgentEnvironmentPrefix),
       .command_line = settings});
}

std::string Session::AgentSocket() const {
  if (!options.socket.empty()) return options.socket;
  // A user who may use the socket may not be one who may read the configuration.
  const auto config = LoadPartialConfig();
  return config ? config->Text("agent.socket") : std::string(kAgentSocket);
}

AgentClient& Session::agent() {
  if (!agent_) agent_ = world_.connect_agent(AgentSocket());
  return *agent_;
}

AdminClient& Session::admin() {
  if (!admin_) {
    admin_ = world_.connect_admin(options.admin_socket.empty() ? std::string(kAdminSocket)
                                                               : options.admin_socket);
  }
  return *admin_;
}

ExitCode Session::Changed(bool changed) const {
  return changed && options.detailed_exitcode ? ExitCode::kChanged : ExitCode::kDone;
}

}  // namespace lodekey::cli
