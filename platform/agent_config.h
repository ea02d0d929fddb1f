// The agent's configuration, read by lodekeyd and by the CLI. Nothing in it is secret.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "platform/config.h"
#include "platform/host_port.h"
#include "platform/log.h"
#include "platform/peer.h"

namespace lodekey::platform {

inline constexpr std::string_view kAgentConfigFile = "/etc/lodekey/agent.toml";
inline constexpr std::string_view kAgentEnvironmentPrefix = "LODEKEY_AGENT_";

struct AgentConfig {
  std::string trust_domain = {};
  HostPort issuer = {};
  std::vector<Bytes> issuer_pins = {};  // one or two, 32 bytes: SHA-256 of the authority's SPKI
  LogLevel log_level = LogLevel::kInfo;

  std::string state_dir = {};
  std::string runtime_dir = {};
  std::string socket = {};
  std::string group = {};  // may use the socket; empty: root and the agent's own user alone

  std::string workload_socket = {};
  PeerMode caller_identification = PeerMode::kAuto;
  size_t max_connections_per_user = 0;
  size_t max_streams_per_user = 0;
  size_t max_pending_per_user = 0;

  std::string tcti = {};
  std::optional<uint32_t> ledger_pcr = {};  // 11 to 15; nullopt: no register is free

  std::string boot_log = {};
  std::string ima_log = {};

  Duration retry_first = {};
  Duration retry_max = {};

  Config raw = {};  // the same with origins, for `config show --origin`
};

// The rows of agent.toml.
const ConfigSchema& AgentConfigSchema();

// Loads from `path` (must exist) or, when empty, from /etc/lodekey/agent.toml (may be absent), from
// LODEKEY_AGENT_* and from `command_line`. Errors as LoadConfig.
Result<AgentConfig> LoadAgentConfig(const std::string& path,
                                    const std::vector<Override>& command_line);

// From a configuration that was built against AgentConfigSchema.
Result<AgentConfig> ToAgentConfig(Config config);

}  // namespace lodekey::platform
