#include "platform/agent_config.h"

#include <set>

#include <gmock/gmock.h>

#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kPin = "sha256:" + std::string(64, 'b');
const std::string kMinimal =
    "trust_domain = 'fleet.example'\nissuer = 'issuer.example'\nissuer_pins = ['" + kPin + "']\n";

Result<AgentConfig> Load(const std::string& text, const std::vector<Override>& command_line = {}) {
  const ScratchDir scratch;
  return LoadAgentConfig(scratch.Write("agent.toml", text), command_line);
}

std::string ErrorOf(const std::string& text) {
  const auto config = Load(text);
  return config ? "no error" : config.error().text;
}

TEST(AgentConfig, NeedsThreeLines) {
  const auto config = Load(kMinimal);
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->trust_domain, "fleet.example");
  EXPECT_EQ(config->issuer, (HostPort{"issuer.example", 7443}));
  EXPECT_EQ(config->issuer_pins, std::vector<Bytes>{Bytes(32, 0xbb)});
  EXPECT_EQ(config->log_level, LogLevel::kInfo);
  EXPECT_EQ(config->state_dir, "/var/lib/lodekey");
  EXPECT_EQ(config->runtime_dir, "/run/lodekey");
  EXPECT_EQ(config->socket, "/run/lodekey/agent.sock");
  EXPECT_EQ(config->group, "");
  EXPECT_EQ(config->workload_socket, "/run/lodekey/workload.sock");
  EXPECT_EQ(config->caller_identification, PeerMode::kAuto);
  EXPECT_EQ(config->max_connections_per_user, 1024u);
  EXPECT_EQ(config->max_streams_per_user, 1024u);
  EXPECT_EQ(config->max_pending_per_user, 256u);
  EXPECT_EQ(config->tcti, "device:/dev/tpmrm0");
  EXPECT_EQ(config->ledger_pcr, 13u);
  EXPECT_EQ(config->boot_log, "/sys/kernel/security/tpm0/binary_bios_measurements");
  EXPECT_EQ(config->ima_log, "/sys/kernel/security/ima/binary_runtime_measurements");
  EXPECT_EQ(config->retry_first, std::chrono::seconds(1));
  EXPECT_EQ(config->retry_max, std::chrono::minutes(5));
  EXPECT_EQ(config->raw.Origin("agent.socket"), "default");
}

TEST(AgentConfig, KnowsWhereTheDevIdIs) {
  EXPECT_FALSE(Load(kMinimal)->devid);
  const std::string named = kMinimal + "[devid]\ncertificate = '/c'\n";
  const auto persistent = Load(named + "key = '0x81020000'\nkey_auth = '/a'\n");
  ASSERT_TRUE(persistent) << persistent.error().text;
  EXPECT_EQ(persistent->devid->certificates, "/c");
  EXPECT_EQ(persistent->devid->key_handle, 0x81020000u);
  EXPECT_EQ(persistent->devid->key_auth, "/a");
  const auto files = Load(named + "key_public = '/p'\nkey_private = '/s'\n");
  ASSERT_TRUE(files) << files.error().text;
  EXPECT_EQ(files->devid->key_handle, std::nullopt);
  EXPECT_EQ(files->devid->key_public, "/p");
  EXPECT_EQ(files->devid->key_private, "/s");
  EXPECT_EQ(files->devid->parent, 0x81000001u);
}

TEST(AgentConfig, RefusesHalfADevId) {
  const std::string named = kMinimal + "[devid]\ncertificate = '/c'\n";
  for (const std::string& text :
       {named, named + "key_public = '/p'\n",
        named + "key = '0x81020000'\nkey_public = '/p'\nkey_private = '/s'\n",
        kMinimal + "[devid]\nkey = '0x81020000'\n"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("a DevID needs 'devid.certificate' and either")) << text;
  }
  for (const std::string handle : {"0x80000000", "0x82000000", "81020000", "0x", "0x81020000 "})
    EXPECT_THAT(ErrorOf(named + "key = '" + handle + "'\n"),
                HasSubstr("must be a persistent handle"));
}

TEST(AgentConfig, ReadsEverySetting) {
  const auto config = Load(
      "trust_domain = 'fleet.example'\nissuer = '[2001:db8::1]:8443'\n"
      "issuer_pins = ['" +
      kPin + "', '" + kPin +
      "']\nlog_level = 'debug'\n"
      "[agent]\nstate_dir = '/s'\nruntime_dir = '/r'\ngroup = 'ops'\n"
      "[workload]\nsocket = '/w'\ncaller_identification = 'pid'\n"
      "max_connections_per_user = 3\nmax_streams_per_user = 2\nmax_pending_per_user = 1\n"
      "[tpm]\ntcti = 'swtpm:path=/x'\nledger_pcr = 'none'\n"
      "[evidence]\nboot_log = '/b'\nima_log = '/i'\n"
      "[retry]\nfirst = '2s'\nmax = '2s'\n");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->issuer, (HostPort{"2001:db8::1", 8443}));
  EXPECT_EQ(config->issuer_pins.size(), 2u);
  EXPECT_EQ(config->log_level, LogLevel::kDebug);
  EXPECT_EQ(config->socket, "/r/agent.sock") << "follows runtime_dir";
  EXPECT_EQ(config->group, "ops");
  EXPECT_EQ(config->workload_socket, "/w");
  EXPECT_EQ(config->caller_identification, PeerMode::kPid);
  EXPECT_EQ(config->max_connections_per_user, 3u);
  EXPECT_EQ(config->max_streams_per_user, 2u);
  EXPECT_EQ(config->max_pending_per_user, 1u);
  EXPECT_EQ(config->ledger_pcr, std::nullopt);
  EXPECT_EQ(config->boot_log, "/b");
  EXPECT_EQ(config->retry_max, std::chrono::seconds(2));
}

TEST(AgentConfig, NamesEveryRequiredSettingThatIsMissing) {
  EXPECT_THAT(ErrorOf(""),
              AllOf(HasSubstr("'trust_domain' is required"), HasSubstr("'issuer' is required"),
                    HasSubstr("'issuer_pins' is required")));
}

TEST(AgentConfig, RefusesWhatItsSettingsDoNotAllow) {
  EXPECT_THAT(ErrorOf(kMinimal + "log_level = 'loud'"), HasSubstr("debug, info, warning, error"));
  EXPECT_THAT(ErrorOf(kMinimal + "workload.caller_identification = 'uid'"),
              HasSubstr("auto, pidfd, pid"));
  EXPECT_THAT(ErrorOf(kMinimal + "workload.max_streams_per_user = 0"),
              HasSubstr("'workload.max_streams_per_user'"));
  EXPECT_THAT(ErrorOf(kMinimal + "tpm.tcti = ''"), HasSubstr("'tpm.tcti' must not be empty"));
  EXPECT_THAT(ErrorOf(kMinimal + "agent.state_dir = 'x'"), HasSubstr("absolute path"));
  EXPECT_THAT(ErrorOf(kMinimal + "retry.first = '1ms'"), HasSubstr("from 100ms to 1h"));
  for (const char* pcr : {"'7'", "'10'", "'16'", "'0'", "'-1'", "''", "'13x'", "13"}) {
    EXPECT_THAT(ErrorOf(kMinimal + "tpm.ledger_pcr = " + pcr),
                HasSubstr("agent.toml:4:5: 'tpm.ledger_pcr' must be"))
        << pcr;
  }
}

TEST(AgentConfig, RefusesBadAnchors) {
  const std::string rest = "issuer = 'i'\nissuer_pins = ['" + kPin + "']\n";
  EXPECT_THAT(ErrorOf("trust_domain = 'Fleet'\n" + rest), HasSubstr("SPIFFE trust domain"));
  EXPECT_THAT(ErrorOf("trust_domain = 'f'\nissuer = 'i:0'\nissuer_pins = ['" + kPin + "']"),
              HasSubstr("agent.toml:2:1: 'issuer' must be a host and optional port"));
  const std::string front = "trust_domain = 'f'\nissuer = 'i'\n";
  EXPECT_THAT(ErrorOf(front + "issuer_pins = []"), HasSubstr("must have from 1 to 2 elements"));
  EXPECT_THAT(ErrorOf(front + "issuer_pins = ['x']"), HasSubstr("64 hexadecimal digits, not 'x'"));
  EXPECT_THAT(ErrorOf(front + "issuer_pins = ['" + kPin + "', '" + kPin + "', '" + kPin + "']"),
              HasSubstr("not 3"));
}

TEST(AgentConfig, RefusesAFirstRetryAboveTheLongest) {
  const auto config = Load(kMinimal + "retry.first = '10m'");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().Name(), "config-invalid");
  EXPECT_THAT(config.error().text, AllOf(HasSubstr("'retry.first' (10m, "), HasSubstr(":4)"),
                                         HasSubstr("'retry.max' (5m, default)")));
}

TEST(AgentConfig, TakesTheCommandLineOverTheEnvironmentOverTheFile) {
  const ScopedVariable issuer("LODEKEY_AGENT_ISSUER", "environment.example");
  const ScopedVariable tcti("LODEKEY_AGENT_TPM_TCTI", "swtpm:");
  const auto config = Load(kMinimal, {{"issuer", "flag.example:1"}});
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->issuer, (HostPort{"flag.example", 1}));
  EXPECT_EQ(config->tcti, "swtpm:");
  EXPECT_EQ(config->raw.Origin("issuer"), "command line --set issuer");
  EXPECT_EQ(config->raw.Origin("tpm.tcti"), "environment LODEKEY_AGENT_TPM_TCTI");
}

TEST(AgentConfig, NeedsTheFileThatWasNamed) {
  const ScratchDir scratch;
  EXPECT_EQ(LoadAgentConfig(scratch / "none.toml", {}).error().Name(), "config-unreadable");
}

TEST(AgentConfigSchema, HasADocForEachKeyAndNoTwoKeysShareAVariable) {
  std::set<std::string> variables;
  for (const Option& option : AgentConfigSchema()) {
    EXPECT_FALSE(option.doc.empty()) << option.key;
    EXPECT_FALSE(option.secret) << option.key << ": the agent's configuration holds no secret";
    std::string variable = option.key;
    std::replace(variable.begin(), variable.end(), '.', '_');
    EXPECT_TRUE(variables.insert(variable).second) << option.key;
    EXPECT_EQ(variable.find("__"), std::string::npos) << option.key;
  }
}

}  // namespace
}  // namespace lodekey::platform
