#include "cli/session.h"

#include <fmt/format.h>

#include "platform/escape.h"
#include "platform/overrides.h"

namespace lodekey::cli {
namespace {

constexpr std::string_view kAgentSocket = "/run/lodekey/agent.sock";
constexpr std::string_view kSocketKey = "agent.socket";
constexpr std::string_view kWorkloadSocket = "/run/lodekey/workload.sock";
constexpr std::string_view kWorkloadKey = "workload.socket";
constexpr std::string_view kAdminSocket = "/run/lodekey-issuer/admin.sock";

platform::ConfigReading Read(const GlobalOptions& options, bool unreadable_is_absent) {
  auto settings = platform::ParseOverrides(options.settings);
  if (!settings) return {.problem = std::move(settings.error())};
  const bool named = !options.config.empty();
  return platform::ReadConfig(
      platform::AgentConfigSchema(),
      {.file = named ? options.config : std::string(platform::kAgentConfigFile),
       .file_required = named,
       .unreadable_is_absent = unreadable_is_absent,
       .environment_prefix = std::string(platform::kAgentEnvironmentPrefix),
       .command_line = *std::move(settings)});
}

// From a path, or a URI as SPIFFE_ENDPOINT_SOCKET holds it (SPIFFE Workload Endpoint, 4).
Result<std::string> WorkloadPath(const std::string& text) {
  constexpr std::string_view kScheme = "unix:";
  if (text.starts_with('/')) return text;
  std::string_view path = text;
  if (path.starts_with(kScheme)) path.remove_prefix(kScheme.size());
  if (path.starts_with("///")) path.remove_prefix(2);
  const bool absolute = path.starts_with('/') && !path.starts_with("//");
  if (absolute && path.find_first_of("?#%") == path.npos) return std::string(path);
  return FailUsage(
      fmt::format("'{}' is not the Workload API's address", platform::EscapeControl(text)),
      "Give it as a path, or set SPIFFE_ENDPOINT_SOCKET to unix:///PATH.");
}

}  // namespace

void Session::PrintError(const Error& error) {
  world_.out.flush();
  world_.err << platform::FormatError("lodekey", error, json());
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

platform::ConfigReading Session::ReadConfig() const {
  return Read(options, /*unreadable_is_absent=*/false);
}

Result<platform::Config> Session::LoadPartialConfig() const {
  auto reading = Read(options, /*unreadable_is_absent=*/options.config.empty());
  if (!reading.problem || reading.incomplete_alone) return std::move(reading.config);
  return std::unexpected(*std::move(reading.problem));
}

void Session::FindAgentBy(const platform::Config& config) {
  if (!options.socket.empty()) return;
  options.socket = config.Has(kSocketKey) ? config.Text(kSocketKey) : std::string(kAgentSocket);
}

Result<void> Session::ConnectAgent() {
  if (agent_) return {};
  if (options.socket.empty()) {
    const auto config = LoadPartialConfig();
    if (!config) return std::unexpected(config.error());
    FindAgentBy(*config);
  }
  agent_ = world_.connect_agent(options.socket);
  return {};
}

Result<void> Session::ConnectWorkloadApi() {
  if (workload_api_) return {};
  std::string& socket = options.workload_socket;
  if (socket.empty()) {
    const auto config = LoadPartialConfig();
    if (!config) return std::unexpected(config.error());
    socket = config->Has(kWorkloadKey) ? config->Text(kWorkloadKey) : std::string(kWorkloadSocket);
  }
  ASSIGN_OR_RETURN(socket, WorkloadPath(socket), "Workload API");
  workload_api_ = world_.connect_workload_api(socket);
  return {};
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
