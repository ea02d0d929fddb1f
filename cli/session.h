// One run of the command: what was asked for, where it is printed, and whom it may ask.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/admin_client.h"
#include "cli/agent_client.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "platform/agent_config.h"

namespace lodekey::cli {

// The options that every verb has.
struct GlobalOptions {
  std::string config = {};  // empty: platform::kAgentConfigFile, which may be absent
  std::vector<std::string> settings = {};
  bool json = false;
  std::string socket = {};        // of the agent; empty: as configured
  std::string admin_socket = {};  // of the issuer; empty: the usual one
  bool detailed_exitcode = false;
};

// What the command touches of the world; a test brings its own.
struct Surroundings {
  std::ostream& out;
  std::ostream& err;
  std::function<std::unique_ptr<AgentClient>(const std::string& socket)> connect_agent;
  std::function<std::unique_ptr<AdminClient>(const std::string& socket)> connect_admin;
  std::function<Time()> now;
  std::function<void(Duration)> pause;
};

// Not thread-safe.
class Session {
 public:
  explicit Session(Surroundings& surroundings) : world_(surroundings) {}

  GlobalOptions options;
  // What the command line chose to do.
  std::function<Result<ExitCode>()> verb;

  bool json() const { return options.json; }
  void Print(std::string_view text) { world_.out << text; }
  // `members` behind "schema": 1.
  void PrintJson(const Json& members);

  Time Now() const { return world_.now(); }
  void Pause(Duration duration) const { world_.pause(duration); }

  AgentClient& agent();
  AdminClient& admin();

  // The agent's configuration, whole; see platform::LoadAgentConfig.
  Result<platform::AgentConfig> LoadConfig() const;
  // The same where required settings may be missing: for verbs that need one setting alone.
  Result<platform::Config> LoadPartialConfig() const;

  // kChanged when something changed and --detailed-exitcode asks to tell.
  ExitCode Changed(bool changed) const;

 private:
  std::string AgentSocket() const;

  Surroundings& world_;
  std::unique_ptr<AgentClient> agent_;
  std::unique_ptr<AdminClient> admin_;
};

// The agent's schema without a setting that must be given.
platform::ConfigSchema PartialAgentSchema();

}  // namespace lodekey::cli
