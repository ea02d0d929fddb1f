#include "platform/agent_config.h"

#include <charconv>

#include <fmt/format.h>

#include "base/spiffe_id.h"
#include "platform/config_checks.h"
#include "platform/escape.h"

namespace lodekey::platform {
namespace {

// Registers 0 to 7 are the firmware's, 16 and 23 can be reset by software, 17 to 22 belong to
// dynamic launch (TCG PC Client Platform TPM Profile, "PCR attributes"). 8 to 15 are left to the
// operating system and cannot be reset within a boot; GRUB takes 8 and 9 of them, IMA 10.
constexpr uint32_t kFirstLedgerPcr = 11;
constexpr uint32_t kLastLedgerPcr = 15;

Result<std::optional<uint32_t>> ParseLedgerPcr(std::string_view text) {
  if (text == "none") return std::optional<uint32_t>();
  uint32_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error == std::errc() && end == text.data() + text.size() && index >= kFirstLedgerPcr &&
      index <= kLastLedgerPcr) {
    return std::optional(index);
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("must be \"{}\" to \"{}\" or \"none\", not '{}'", kFirstLedgerPcr,
                          kLastLedgerPcr, EscapeControl(text.substr(0, 32))));
}

Result<void> CheckLedgerPcr(std::string_view text) {
  const auto index = ParseLedgerPcr(text);
  if (!index) return std::unexpected(index.error());
  return {};
}

// TPM 2.0 part 2, 7.5: the first of the persistent handles, and how many there are.
constexpr uint32_t kFirstPersistent = 0x81000000;
constexpr uint32_t kLastPersistent = 0x81ffffff;

Result<uint32_t> ParseHandle(std::string_view text) {
  uint32_t handle = 0;
  const std::string_view digits = text.starts_with("0x") ? text.substr(2) : std::string_view();
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), handle, 16);
  if (error == std::errc() && !digits.empty() && end == digits.data() + digits.size() &&
      handle >= kFirstPersistent && handle <= kLastPersistent) {
    return handle;
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("must be a persistent handle, {:#x} to {:#x}, not '{}'", kFirstPersistent,
                          kLastPersistent, EscapeControl(text.substr(0, 32))));
}

Result<void> CheckHandle(std::string_view text) {
  if (const auto handle = ParseHandle(text); !handle) return std::unexpected(handle.error());
  return {};
}

Result<void> CheckHandleOrNone(std::string_view text) {
  return text.empty() ? Result<void>() : CheckHandle(text);
}

Result<std::optional<DevIdConfig>> ReadDevId(const Config& config) {
  DevIdConfig devid{.certificates = config.Text("devid.certificate"),
                    .key_public = config.Text("devid.key_public"),
                    .key_private = config.Text("devid.key_private"),
                    .key_auth = config.Text("devid.key_auth")};
  const std::string handle = config.Text("devid.key");
  const int files = !devid.key_public.empty() + !devid.key_private.empty();
  if (devid.certificates.empty() && handle.empty() && files == 0) return std::nullopt;
  const bool one_key = handle.empty() ? files == 2 : files == 0;
  if (devid.certificates.empty() || !one_key) {
    return Fail(Code::kInvalidArgument,
                "configuration: a DevID needs 'devid.certificate' and either 'devid.key' or both "
                "'devid.key_public' and 'devid.key_private'",
                {.name = "config-invalid"});
  }
  if (!handle.empty()) {
    ASSIGN_OR_RETURN(devid.key_handle, ParseHandle(handle), "'devid.key'");
  }
  ASSIGN_OR_RETURN(devid.parent, ParseHandle(config.Text("devid.parent")), "'devid.parent'");
  return devid;
}

Result<void> CheckNotEmpty(std::string_view text) {
  if (!text.empty()) return {};
  return Fail(Code::kInvalidArgument, "must not be empty");
}

constexpr int64_t kSecond = 1000;
constexpr int64_t kHour = 3600 * kSecond;
constexpr int64_t kMostPerUser = 65536;

PeerMode ParsePeerMode(std::string_view text) {
  if (text == "pidfd") return PeerMode::kPidfd;
  return text == "pid" ? PeerMode::kPid : PeerMode::kAuto;
}

}  // namespace

// NOLINTNEXTLINE(readability-function-size): a table, a row per option.
const ConfigSchema& AgentConfigSchema() {
  static const ConfigSchema schema = {
      {.key = "trust_domain",
       .doc = "SPIFFE trust domain of this host, such as fleet.example",
       .check = CheckTrustDomain},
      {.key = "issuer",
       .doc = "address of the issuer, host:port (port 7443 when left out)",
       .check = CheckIssuerAddress},
      {.key = "issuer_pins",
       .kind = OptionKind::kList,
       .doc = "one or two pins of the issuer authority's public key, sha256:<64 hex digits>",
       .min = 1,
       .max = 2,
       .check = CheckPin},
      {.key = "log_level",
       .fallback = "info",
       .doc = "least important messages to log",
       .choices = {"debug", "info", "warning", "error"}},
      {.key = "agent.state_dir",
       .kind = OptionKind::kPath,
       .fallback = "/var/lib/lodekey",
       .doc = "directory for what outlives a boot"},
      {.key = "agent.runtime_dir",
       .kind = OptionKind::kPath,
       .fallback = "/run/lodekey",
       .doc = "directory for what ends with the boot"},
      {.key = "agent.socket",
       .kind = OptionKind::kPath,
       .fallback = "{agent.runtime_dir}/agent.sock",
       .doc = "unix socket that the lodekey command talks to"},
      {.key = "agent.group", .fallback = "", .doc = "group that may use the socket besides root"},
      {.key = "workload.socket",
       .kind = OptionKind::kPath,
       .fallback = "{agent.runtime_dir}/workload.sock",
       .doc = "unix socket of the Workload API; everybody may connect"},
      {.key = "workload.caller_identification",
       .fallback = "auto",
       .doc = "how a caller's process is pinned: as the kernel can, by pidfd or not at all, by pid",
       .choices = {"auto", "pidfd", "pid"}},
      {.key = "workload.max_connections_per_user",
       .kind = OptionKind::kInteger,
       .fallback = "1024",
       .doc = "connections to the Workload API that one user may have open",
       .min = 1,
       .max = kMostPerUser},
      {.key = "workload.max_streams_per_user",
       .kind = OptionKind::kInteger,
       .fallback = "1024",
       .doc = "calls of the Workload API that one user may have open",
       .min = 1,
       .max = kMostPerUser},
      {.key = "workload.max_pending_per_user",
       .kind = OptionKind::kInteger,
       .fallback = "256",
       .doc = "callers of one user that may wait to be looked at",
       .min = 1,
       .max = kMostPerUser},
      {.key = "tpm.tcti",
       .fallback = "device:/dev/tpmrm0",
       .doc = "how to reach the TPM, as a TCTI string",
       .check = CheckNotEmpty},
      {.key = "tpm.ledger_pcr",
       .fallback = "13",
       .doc = "register of the ledger, 11 to 15, that nothing else on this host extends; or none",
       .check = CheckLedgerPcr},
      {.key = "devid.certificate",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "PEM file with the certificates of this host's DevID, leaf first"},
      {.key = "devid.key",
       .fallback = "",
       .doc = "persistent handle of the DevID's key, such as 0x81020000",
       .check = CheckHandleOrNone},
      {.key = "devid.key_public",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "in place of devid.key: file with the key's TPM2B_PUBLIC"},
      {.key = "devid.key_private",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "file with the key's TPM2B_PRIVATE"},
      {.key = "devid.parent",
       .fallback = "0x81000001",
       .doc = "persistent handle of the storage key that devid.key_private is under",
       .check = CheckHandle},
      {.key = "devid.key_auth",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "file with the authorisation value of the DevID's key; a credential of systemd"},
      {.key = "evidence.boot_log",
       .kind = OptionKind::kPath,
       .fallback = "/sys/kernel/security/tpm0/binary_bios_measurements",
       .doc = "event log of the firmware"},
      {.key = "evidence.ima_log",
       .kind = OptionKind::kPath,
       .fallback = "/sys/kernel/security/ima/binary_runtime_measurements",
       .doc = "measurement list of IMA"},
      {.key = "retry.first",
       .kind = OptionKind::kSpan,
       .fallback = "1s",
       .doc = "pause after the first failure to reach the issuer; doubles up to retry.max",
       .min = 100,
       .max = kHour},
      {.key = "retry.max",
       .kind = OptionKind::kSpan,
       .fallback = "5m",
       .doc = "longest pause between two tries",
       .min = 100,
       .max = 24 * kHour},
  };
  return schema;
}

Result<AgentConfig> ToAgentConfig(Config config) {
  AgentConfig agent{
      .trust_domain = config.Text("trust_domain"),
      .state_dir = config.Text("agent.state_dir"),
      .runtime_dir = config.Text("agent.runtime_dir"),
      .socket = config.Text("agent.socket"),
      .group = config.Text("agent.group"),
      .workload_socket = config.Text("workload.socket"),
      .caller_identification = ParsePeerMode(config.Text("workload.caller_identification")),
      .tcti = config.Text("tpm.tcti"),
      .boot_log = config.Text("evidence.boot_log"),
      .ima_log = config.Text("evidence.ima_log"),
      .retry_first = config.Span("retry.first"),
      .retry_max = config.Span("retry.max")};
  const auto count = [&](const char* key) { return static_cast<size_t>(config.Integer(key)); };
  agent.max_connections_per_user = count("workload.max_connections_per_user");
  agent.max_streams_per_user = count("workload.max_streams_per_user");
  agent.max_pending_per_user = count("workload.max_pending_per_user");
  ASSIGN_OR_RETURN(agent.issuer, ParseHostPort(config.Text("issuer"), kIssuerPort), "'issuer'");
  for (const std::string& text : config.List("issuer_pins")) {
    ASSIGN_OR_RETURN(agent.issuer_pins.emplace_back(), ParsePin(text), "'issuer_pins'");
  }
  ASSIGN_OR_RETURN(agent.log_level, ParseLogLevel(config.Text("log_level")), "'log_level'");
  ASSIGN_OR_RETURN(agent.ledger_pcr, ParseLedgerPcr(config.Text("tpm.ledger_pcr")),
                   "'tpm.ledger_pcr'");
  ASSIGN_OR_RETURN(agent.devid, ReadDevId(config), "DevID");
  if (agent.retry_first > agent.retry_max) {
    return Fail(Code::kInvalidArgument,
                fmt::format("configuration: 'retry.first' ({}, {}) must not be longer than "
                            "'retry.max' ({}, {})",
                            FormatDuration(agent.retry_first), config.Origin("retry.first"),
                            FormatDuration(agent.retry_max), config.Origin("retry.max")),
                {.name = "config-invalid"});
  }
  agent.raw = std::move(config);
  return agent;
}

Result<AgentConfig> LoadAgentConfig(const std::string& path,
                                    const std::vector<Override>& command_line) {
  auto config =
      LoadConfig(AgentConfigSchema(), {.file = path.empty() ? std::string(kAgentConfigFile) : path,
                                       .file_required = !path.empty(),
                                       .environment_prefix = std::string(kAgentEnvironmentPrefix),
                                       .command_line = command_line});
  if (!config) return std::unexpected(config.error());
  return ToAgentConfig(std::move(*config));
}

}  // namespace lodekey::platform
