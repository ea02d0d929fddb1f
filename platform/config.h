// The typed configuration: one immutable value from files, environment and command line, which
// remembers where each setting came from (docs/configuration.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "platform/config_schema.h"
#include "platform/config_value.h"

namespace lodekey::platform {

// A setting given as text, outside of files.
struct Override {
  std::string key = {};  // "tpm.tcti"
  std::string text = {};
};

struct ConfigSources {
  // The main TOML file. Every *.toml of the directory conf.d beside it follows, in name order.
  std::string file = {};
  // True when the user named the file: then it must exist. conf.d may always be absent.
  bool file_required = false;
  // For one who needs no more than a default, and may not be allowed to read the files: those then
  // count as absent.
  bool unreadable_is_absent = false;
  // Variables with this prefix are settings: LODEKEY_AGENT_TPM_TCTI is tpm.tcti under
  // "LODEKEY_AGENT_". Empty: the environment is not read.
  std::string environment_prefix = {};
  std::vector<Override> command_line = {};
};

// What was found there, before it is judged. Later wins, as a whole: lists are replaced.
struct ConfigDocument {
  std::string name = {};  // path, for origins and errors
  std::string text = {};  // TOML, at most 1 MiB
};
struct ConfigInputs {
  std::vector<ConfigDocument> documents = {};
  std::string absent_file = {};  // the main file where there is none, for errors
  std::string environment_prefix = {};
  std::vector<Override> environment = {};  // key: the variable's whole name
  std::vector<Override> command_line = {};
};

struct ConfigReading;

// Copyable, immutable, thread-safe. The getters take a key of the schema and its kind, of a setting
// that has a value; anything else is a defect of ours and ends the program.
class Config {
 public:
  struct Row {
    std::string key = {};
    std::optional<std::string> value = {};  // as text; "(hidden)" when secret; nullopt: see Has()
    std::string origin = {};                // empty when it was set nowhere
    std::string doc = {};
    bool is_list = false;
  };

  // False in a ConfigReading alone: for a setting that is missing, wrong, or in a source that
  // cannot be read.
  bool Has(std::string_view key) const;

  const std::string& Text(std::string_view key) const;  // kText and kPath
  const std::vector<std::string>& List(std::string_view key) const;
  int64_t Integer(std::string_view key) const;
  bool Flag(std::string_view key) const;
  Duration Span(std::string_view key) const;
  uint64_t Size(std::string_view key) const;  // bytes

  // "default", "/etc/lodekey/agent.toml:3", "environment LODEKEY_AGENT_ISSUER" or
  // "command line --set issuer".
  const std::string& Origin(std::string_view key) const;

  // Every option in the order of the schema.
  std::vector<Row> Dump() const;

 private:
  friend ConfigReading JudgeConfig(const ConfigSchema& schema, const ConfigInputs& inputs);
  struct Setting {
    std::optional<ConfigValue> value;
    std::string origin;
  };
  const Setting& Find(std::string_view key) const;
  const ConfigValue& Value(std::string_view key) const;

  ConfigSchema schema_;
  std::map<std::string, Setting, std::less<>> settings_;
};

// A configuration as far as it goes, for those who look at one that is wrong.
struct ConfigReading {
  Config config = {};
  std::optional<Error> problem = {};  // as LoadConfig fails
  bool incomplete_alone = false;      // nothing is wrong but that required settings are missing
};

ConfigReading ReadConfig(const ConfigSchema& schema, const ConfigSources& sources);

// Reads the sources and builds. Fails with kInvalidArgument "config-invalid" and all problems of
// the load in one text, joined by "; ", each with file:line:column (or the variable, or the flag),
// the key and what is allowed; with kDenied "config-unsafe" when others may write a file or conf.d;
// with "config-unreadable" and the code of the reason (kNotFound: a required file is absent) when a
// file cannot be read.
Result<Config> LoadConfig(const ConfigSchema& schema, const ConfigSources& sources);

// The pure parts of ReadConfig and LoadConfig. Read TOML that is hostile at worst: bounded in size
// and depth.
ConfigReading JudgeConfig(const ConfigSchema& schema, const ConfigInputs& inputs);
Result<Config> BuildConfig(const ConfigSchema& schema, const ConfigInputs& inputs);

}  // namespace lodekey::platform
