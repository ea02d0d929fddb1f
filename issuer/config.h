// issuer.toml as one immutable value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "issuer/policy_trust.h"
#include "issuer/store.h"
#include "platform/config.h"
#include "platform/host_port.h"
#include "platform/log.h"

namespace lodekey::issuer {

inline constexpr std::string_view kIssuerConfigFile = "/etc/lodekey/issuer.toml";

struct IssuerConfig {
  std::string trust_domain = {};
  platform::HostPort listen = {};
  std::string state_dir = {};
  platform::LogLevel log_level = platform::LogLevel::kInfo;
  std::string admin_socket = {};
  std::string admin_group = {};

  std::string vendor_roots = {};  // directory of *.pem, *.crt: roots of TPM vendors; may be absent
  std::string devid_roots = {};   // the same of the operator's DevID CA; empty: there is none
  std::vector<std::string> devid_usage = {};  // see attest::DevIdProfile::usages
  std::string emulator_roots = {};            // the same for TPMs in software, for tests

  PolicySigners policy_signers = {};

  Duration attest_interval = {};
  Duration nonce_slack = {};       // a scheduled nonce lives for interval + slack
  Duration challenge_life = {};    // at most 120 s
  Duration node_ttl = {};          // of a node certificate, counted from its evidence
  Duration intermediate_ttl = {};  // at most 7 days
  Duration root_ttl = {};
  Duration jwt_key_ttl = {};  // how long a key signs JWT-SVIDs; at least an hour

  Retention retention = {};
  uint64_t decision_bytes = 0;  // room for decisions

  uint32_t enrolments_per_second = 0;  // all sources together
  uint32_t enrolments_per_source = 0;  // per second and source address
  platform::Config raw = {};
};

const platform::ConfigSchema& IssuerConfigSchema();

// From `path` (must exist) or /etc/lodekey/issuer.toml, LODEKEY_ISSUER_* and the command line.
Result<IssuerConfig> LoadIssuerConfig(const std::string& path,
                                      const std::vector<platform::Override>& command_line);

// Every certificate in the directory's *.pem and *.crt files. A file that does not parse is an
// error that names it.
Result<std::vector<crypto::Certificate>> LoadRoots(const std::string& directory);

}  // namespace lodekey::issuer
