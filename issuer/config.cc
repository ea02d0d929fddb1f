#include "issuer/config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "base/spiffe_id.h"
#include "platform/config_checks.h"
#include "platform/file.h"

namespace lodekey::issuer {
namespace {

using platform::Option;
using platform::OptionKind;

constexpr std::string_view kEnvironmentPrefix = "LODEKEY_ISSUER_";

constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;

Result<void> CheckMask(std::string_view text) {
  RETURN_IF_ERROR(tpm::ParsePcrMask(text), "must be PCR numbers such as 0-9,14");
  return {};
}

// What cannot hold a claim whatever the rest of the configuration says: firmware and boot loader
// extend 0-9, IMA extends 10, and 16-23 can be reset within a boot (PC Client Platform TPM Profile,
// PCR attributes).
constexpr tpm::PcrMask kNeverLedger = 0xff07ff;

Result<void> CheckLedgerMask(std::string_view text) {
  ASSIGN_OR_RETURN(const tpm::PcrMask mask, tpm::ParsePcrMask(text),
                   "must be PCR numbers such as 13");
  if ((mask & kNeverLedger) == 0) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("must be registers from 11 to 15, not PCR {}: 0-9 hold the boot, 10 is "
                          "IMA's, 16-23 can be reset within a boot",
                          tpm::FormatPcrMask(mask & kNeverLedger)));
}

std::vector<Option> GeneralOptions() {
  return {
      {.key = "trust_domain",
       .doc = "SPIFFE trust domain that this issuer serves",
       .check = CheckTrustDomain},
      {.key = "listen",
       .fallback = "0.0.0.0:7443",
       .doc = "address and port for agents",
       .check = platform::CheckIssuerAddress},
      {.key = "state_dir",
       .kind = OptionKind::kPath,
       .fallback = "/var/lib/lodekey-issuer",
       .doc = "database, CA keys and audit log"},
      {.key = "log_level",
       .fallback = "info",
       .doc = "least severe messages that are logged",
       .choices = {"debug", "info", "warning", "error"}},
      {.key = "admin.socket",
       .kind = OptionKind::kPath,
       .fallback = "/run/lodekey-issuer/admin.sock",
       .doc = "unix socket of the admin API"},
      {.key = "admin.group",
       .fallback = "",
       .doc = "group that may use the admin socket besides root"},
      {.key = "admission.vendor_roots",
       .kind = OptionKind::kPath,
       .fallback = "/etc/lodekey/vendor-roots",
       .doc = "directory with the root certificates of TPM vendors"},
      {.key = "admission.emulator_roots",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "directory with roots of TPM emulators, for test systems"},
      {.key = "admission.minimum_assurance",
       .fallback = "inventory",
       .doc = "what an EK certificate must prove",
       .choices = {"inventory", "emulator", "hardware"}},
  };
}

std::vector<Option> AppraisalOptions() {
  return {
      {.key = "appraisal.bank",
       .fallback = "sha256",
       .doc = "PCR bank that is quoted",
       .choices = {"sha256", "sha384"}},
      {.key = "appraisal.required_pcrs",
       .fallback = "0-15",
       .doc = "registers that every quote must cover",
       .check = CheckMask},
      {.key = "appraisal.static_pcrs",
       .fallback = "0-9,14",
       .doc = "registers that do not change within a boot",
       .check = CheckMask},
      {.key = "appraisal.ledger_registers",
       .fallback = "13",
       .doc = "registers that may hold an agent's ledger, of 11 to 15",
       .check = CheckLedgerMask},
      {.key = "appraisal.require_references",
       .kind = OptionKind::kFlag,
       .fallback = "false",
       .doc = "refuse nodes whose group has no approved PCR values"},
      {.key = "appraisal.require_claim",
       .kind = OptionKind::kFlag,
       .fallback = "true",
       .doc = "refuse hosts without a ledger register"},
      {.key = "appraisal.accept_touched_ledger",
       .kind = OptionKind::kFlag,
       .fallback = "false",
       .doc = "accept a ledger register that was in use before the agent's first look"},
      {.key = "appraisal.accept_firmware_change",
       .kind = OptionKind::kFlag,
       .fallback = "true",
       .doc = "accept another TPM firmware version than at the last enrolment"},
      {.key = "appraisal.accept_new_ak",
       .kind = OptionKind::kFlag,
       .fallback = "false",
       .doc = "accept a new attestation key of a known host in a later boot without approval"},
  };
}

std::vector<Option> LifetimeOptions() {
  return {
      {.key = "attestation.interval",
       .kind = OptionKind::kSpan,
       .fallback = "10m",
       .doc = "time between re-attestations",
       .min = kSecond,
       .max = kDay},
      {.key = "attestation.nonce_slack",
       .kind = OptionKind::kSpan,
       .fallback = "60s",
       .doc = "how much longer than the interval a nonce is good",
       .min = kSecond,
       .max = kHour},
      {.key = "attestation.challenge_life",
       .kind = OptionKind::kSpan,
       .fallback = "120s",
       .doc = "time to answer an enrolment challenge",
       .min = kSecond,
       .max = 120 * kSecond},
      {.key = "ca.node_ttl",
       .kind = OptionKind::kSpan,
       .fallback = "1h",
       .doc = "lifetime of a node certificate, from its evidence",
       .min = 5 * kSecond,
       .max = kDay},
      {.key = "ca.intermediate_ttl",
       .kind = OptionKind::kSpan,
       .fallback = "7d",
       .doc = "lifetime of the signing CA",
       .min = kMinute,
       .max = 7 * kDay},
      {.key = "ca.root_ttl",
       .kind = OptionKind::kSpan,
       .fallback = "3650d",
       .doc = "lifetime of a root made by init",
       .min = kDay,
       .max = 3660 * kDay},
      {.key = "ca.jwt_key_ttl",
       .kind = OptionKind::kSpan,
       .fallback = "24h",
       .doc = "how long a key signs JWT-SVIDs before the next one does",
       .min = kHour,
       .max = 90 * kDay},
      {.key = "limits.enrolments_per_second",
       .kind = OptionKind::kInteger,
       .fallback = "200",
       .doc = "enrolment requests accepted a second, all sources together",
       .min = 1,
       .max = 100000},
      {.key = "limits.enrolments_per_source",
       .kind = OptionKind::kInteger,
       .fallback = "20",
       .doc = "enrolment requests accepted a second from one address",
       .min = 1,
       .max = 100000},
  };
}

// The checks of the schema have passed: these texts parse.
tpm::PcrMask Mask(const platform::Config& config, std::string_view key) {
  return tpm::ParsePcrMask(config.Text(key)).value();
}

attest::AppraisalPolicy ReadAppraisal(const platform::Config& config) {
  return {.bank = crypto::ParseHashName(config.Text("appraisal.bank")).value(),
          .required = Mask(config, "appraisal.required_pcrs"),
          .static_pcrs = Mask(config, "appraisal.static_pcrs"),
          .require_references = config.Flag("appraisal.require_references"),
          .require_claim = config.Flag("appraisal.require_claim"),
          .accept_touched_ledger = config.Flag("appraisal.accept_touched_ledger"),
          .accept_firmware_change = config.Flag("appraisal.accept_firmware_change"),
          .accept_new_ak = config.Flag("appraisal.accept_new_ak"),
          .ledger_registers = Mask(config, "appraisal.ledger_registers")};
}

// A register that may not change within a boot cannot hold what is recorded in it.
Result<void> CheckLedgerIsNotStatic(const platform::Config& config) {
  const tpm::PcrMask both =
      Mask(config, "appraisal.ledger_registers") & Mask(config, "appraisal.static_pcrs");
  if (both == 0) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("PCR {} cannot be in 'appraisal.ledger_registers' ({}) and "
                          "in 'appraisal.static_pcrs' ({})",
                          tpm::FormatPcrMask(both), config.Origin("appraisal.ledger_registers"),
                          config.Origin("appraisal.static_pcrs")),
              {.name = "config-invalid"});
}

// A host whose certificate ends before it attests again would be without an identity in between,
// and worst detection is two intervals.
Result<void> CheckLifetimes(const platform::Config& config) {
  const Duration interval = config.Span("attestation.interval");
  const Duration life = config.Span("ca.node_ttl");
  if (life >= 2 * interval) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("'ca.node_ttl' ({}, {}) must be at least twice 'attestation.interval' "
                          "({}, {})",
                          FormatDuration(life), config.Origin("ca.node_ttl"),
                          FormatDuration(interval), config.Origin("attestation.interval")),
              {.name = "config-invalid"});
}

bool IsCertificateFile(const std::filesystem::directory_entry& entry) {
  constexpr std::array kExtensions = {".pem", ".crt", ".cer", ".der"};
  return entry.is_regular_file() &&
         std::ranges::find(kExtensions, entry.path().extension()) != kExtensions.end();
}

// Vendors publish PEM and DER. A file that gives no certificate is a mistake that somebody would
// notice only when hosts are refused.
Result<std::vector<crypto::Certificate>> ReadRoots(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string content, platform::ReadTextFile(path), "vendor roots");
  std::vector<crypto::Certificate> roots;
  if (content.find("-----BEGIN ") != std::string::npos) {
    ASSIGN_OR_RETURN(roots, crypto::Certificate::ListFromPem(content), path);
  } else if (auto root = crypto::Certificate::FromDer(AsBytes(content))) {
    roots.push_back(*std::move(root));
  }
  if (!roots.empty()) return roots;
  return Fail(Code::kInvalidArgument, fmt::format("{} holds no certificate", path),
              {.name = "vendor-root-invalid",
               .advice = "Put a certificate there in PEM or DER, or take the file away."});
}

}  // namespace

const platform::ConfigSchema& IssuerConfigSchema() {
  static const platform::ConfigSchema schema = [] {
    platform::ConfigSchema all = GeneralOptions();
    std::ranges::move(AppraisalOptions(), std::back_inserter(all));
    std::ranges::move(LifetimeOptions(), std::back_inserter(all));
    return all;
  }();
  return schema;
}

Result<IssuerConfig> LoadIssuerConfig(const std::string& path,
                                      const std::vector<platform::Override>& command_line) {
  auto loaded = platform::LoadConfig(IssuerConfigSchema(),
                                     {.file = path.empty() ? std::string(kIssuerConfigFile) : path,
                                      .file_required = !path.empty(),
                                      .environment_prefix = std::string(kEnvironmentPrefix),
                                      .command_line = command_line});
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  platform::Config raw = *std::move(loaded);
  RETURN_IF_ERROR(CheckLedgerIsNotStatic(raw), "configuration");
  RETURN_IF_ERROR(CheckLifetimes(raw), "configuration");
  IssuerConfig config;
  config.trust_domain = raw.Text("trust_domain");
  ASSIGN_OR_RETURN(config.listen,
                   platform::ParseHostPort(raw.Text("listen"), platform::kIssuerPort), "listen");
  config.state_dir = raw.Text("state_dir");
  ASSIGN_OR_RETURN(config.log_level, platform::ParseLogLevel(raw.Text("log_level")), "log_level");
  config.admin_socket = raw.Text("admin.socket");
  config.admin_group = raw.Text("admin.group");
  config.vendor_roots = raw.Text("admission.vendor_roots");
  config.emulator_roots = raw.Text("admission.emulator_roots");
  config.appraisal = ReadAppraisal(raw);
  ASSIGN_OR_RETURN(config.minimum_assurance,
                   attest::ParseAssurance(raw.Text("admission.minimum_assurance")), "admission");
  config.attest_interval = raw.Span("attestation.interval");
  config.nonce_slack = raw.Span("attestation.nonce_slack");
  config.challenge_life = raw.Span("attestation.challenge_life");
  config.node_ttl = raw.Span("ca.node_ttl");
  config.intermediate_ttl = raw.Span("ca.intermediate_ttl");
  config.root_ttl = raw.Span("ca.root_ttl");
  config.jwt_key_ttl = raw.Span("ca.jwt_key_ttl");
  config.enrolments_per_second = static_cast<uint32_t>(raw.Integer("limits.enrolments_per_second"));
  config.enrolments_per_source = static_cast<uint32_t>(raw.Integer("limits.enrolments_per_source"));
  config.raw = std::move(raw);
  return config;
}

Result<std::vector<crypto::Certificate>> LoadRoots(const std::string& directory) {
  std::vector<crypto::Certificate> roots;
  std::error_code error;
  if (directory.empty() || !std::filesystem::exists(directory, error)) return roots;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (!IsCertificateFile(entry)) continue;
    ASSIGN_OR_RETURN(auto found, ReadRoots(entry.path().string()), "vendor roots");
    std::ranges::move(found, std::back_inserter(roots));
  }
  if (error) {
    return Fail(Code::kHardware, fmt::format("cannot list {}: {}", directory, error.message()),
                {.name = "vendor-roots-unreadable",
                 .advice = "Make the directory readable for the issuer."});
  }
  return roots;
}

}  // namespace lodekey::issuer
