#include "issuer/config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "base/spiffe_id.h"
#include "crypto/oid.h"
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

Result<void> CheckOid(std::string_view text) {
  if (crypto::IsDottedOid(text)) return {};
  return Fail(Code::kInvalidArgument, "not an object identifier such as 2.23.133.11.1.2");
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
      {.key = "admission.devid_roots",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "directory with the root certificates of the operator's DevID CA"},
      {.key = "admission.devid_usage",
       .kind = OptionKind::kList,
       .fallback = "",
       .doc = "object identifiers, of which a DevID's certificate has one as key usage or policy",
       .check = CheckOid},
      {.key = "admission.emulator_roots",
       .kind = OptionKind::kPath,
       .fallback = "",
       .doc = "directory with roots of TPM emulators, for test systems"},
  };
}

Result<void> CheckSigner(std::string_view text) {
  RETURN_IF_ERROR(ParsePolicySigner(text), "signer");
  return {};
}

std::vector<Option> PolicyOptions() {
  return {
      {.key = "policy.signers",
       .kind = OptionKind::kList,
       .fallback = "",
       .doc = "Ed25519 keys whose policies are taken; none: no signature is asked for",
       .check = CheckSigner},
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

std::vector<Option> RetentionOptions() {
  return {
      {.key = "retention.decisions",
       .kind = OptionKind::kSpan,
       .fallback = "7d",
       .doc = "how long decisions of the policy are kept with their inputs",
       .min = kHour,
       .max = 366 * kDay},
      {.key = "retention.decision_bytes",
       .kind = OptionKind::kSize,
       .fallback = "1GiB",
       .doc = "how many bytes they may have; beyond it the node with most loses its oldest",
       .min = int64_t{1} << 20,
       .max = int64_t{1} << 40},
      {.key = "retention.evidence",
       .kind = OptionKind::kSpan,
       .fallback = "30d",
       .doc = "how long a boot log that no enrolment names is kept",
       .min = kHour,
       .max = 3660 * kDay},
      {.key = "retention.pending",
       .kind = OptionKind::kSpan,
       .fallback = "7d",
       .doc = "how long a host waits for approval, from when it was last seen",
       .min = kHour,
       .max = 366 * kDay},
  };
}

// What a file of an earlier version may have.
bool NamesWhatMoved(const std::string& problems) {
  constexpr std::array kMoved = {"unknown key 'appraisal.",
                                 "unknown key 'admission.minimum_assurance", "ISSUER_APPRAISAL_",
                                 "ISSUER_ADMISSION_MINIMUM_ASSURANCE"};
  return std::ranges::any_of(kMoved, [&](const char* name) { return problems.contains(name); });
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
    std::ranges::move(PolicyOptions(), std::back_inserter(all));
    std::ranges::move(LifetimeOptions(), std::back_inserter(all));
    std::ranges::move(RetentionOptions(), std::back_inserter(all));
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
  if (!loaded) {
    Error error = std::move(loaded.error());
    if (NamesWhatMoved(error.text))
      error.advice =
          "[appraisal] and admission.minimum_assurance moved into the policy's data.json: "
          "take them out of here, then: lodekey policy show --write DIR";
    return std::unexpected(std::move(error));
  }
  platform::Config raw = *std::move(loaded);
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
  config.devid_roots = raw.Text("admission.devid_roots");
  config.devid_usage = raw.List("admission.devid_usage");
  config.emulator_roots = raw.Text("admission.emulator_roots");
  for (const std::string& text : raw.List("policy.signers")) {
    ASSIGN_OR_RETURN(config.policy_signers.emplace_back(), ParsePolicySigner(text),
                     "'policy.signers'");
  }
  config.attest_interval = raw.Span("attestation.interval");
  config.nonce_slack = raw.Span("attestation.nonce_slack");
  config.challenge_life = raw.Span("attestation.challenge_life");
  config.node_ttl = raw.Span("ca.node_ttl");
  config.intermediate_ttl = raw.Span("ca.intermediate_ttl");
  config.root_ttl = raw.Span("ca.root_ttl");
  config.jwt_key_ttl = raw.Span("ca.jwt_key_ttl");
  config.retention = {.decisions = raw.Span("retention.decisions"),
                      .evidence = raw.Span("retention.evidence"),
                      .pending = raw.Span("retention.pending")};
  config.decision_bytes = raw.Size("retention.decision_bytes");
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
