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

// A device identity (IEEE 802.1AR) that somebody gave this host: its certificates, and where its
// key is.
struct DevIdConfig {
  std::string certificates = {};            // PEM, leaf first
  std::optional<uint32_t> key_handle = {};  // persistent; or the two files:
  std::string key_public = {};              // TPM2B_PUBLIC
  std::string key_private = {};             // TPM2B_PRIVATE
  uint32_t parent = 0;                      // the persistent key that they are under
  std::string key_auth = {};                // file with the key's authValue; empty: it has none
};

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

  std::optional<DevIdConfig> devid = {};

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
