// One run of the command: what was asked for, where it is printed, and whom it may ask.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/admin_client.h"
#include "cli/agent_client.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/workload_client.h"
#include "platform/agent_config.h"

namespace lodekey::cli {

// The options that every verb has.
struct GlobalOptions {
  std::string config = {};  // empty: platform::kAgentConfigFile, which may be absent
  std::vector<std::string> settings = {};
  bool json = false;
  std::string socket = {};           // of the agent; empty: as configured
  std::string admin_socket = {};     // of the issuer; empty: the usual one
  std::string workload_socket = {};  // a path or "unix:" URI; empty: as configured
  bool detailed_exitcode = false;
};

// What the command touches of the world; a test brings its own.
struct Surroundings {
  std::ostream& out;
  std::ostream& err;
  std::function<std::unique_ptr<AgentClient>(const std::string& socket)> connect_agent;
  std::function<std::unique_ptr<AdminClient>(const std::string& socket)> connect_admin;
  std::function<std::unique_ptr<WorkloadClient>(const std::string& socket)> connect_workload_api;
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
  void Flush() { world_.out.flush(); }
  // One of several things that are wrong, before the verb ends with an error.
  void PrintError(const Error& error);
  // `members` behind "schema": 1.
  void PrintJson(const Json& members);

  Time Now() const { return world_.now(); }
  void Pause(Duration duration) const { world_.pause(duration); }

  // The agent's answer to a question: session.AskAgent(&AgentClient::Enroll, limit). Fails also
  // with what is wrong with the configuration, which says where the agent is.
  template <class Response, class... Arguments>
  Result<Response> AskAgent(Result<Response> (AgentClient::*question)(Arguments...),
                            Arguments... arguments) {
    if (const auto connected = ConnectAgent(); !connected) {
      return std::unexpected(connected.error());
    }
    return (agent_.get()->*question)(arguments...);
  }
  // The same of the Workload API, which answers to whoever runs the command.
  template <class Response, class... Arguments>
  Result<Response> AskWorkloadApi(Result<Response> (WorkloadClient::*question)(Arguments...),
                                  std::type_identity_t<Arguments>... arguments) {
    if (const auto connected = ConnectWorkloadApi(); !connected) {
      return std::unexpected(connected.error());
    }
    return (workload_api_.get()->*question)(arguments...);
  }
  AdminClient& admin();

  // The agent's configuration, whole; see platform::LoadAgentConfig.
  Result<platform::AgentConfig> LoadConfig() const;
  // The same as far as it goes.
  platform::ConfigReading ReadConfig() const;
  // For a verb that needs one setting with a default: nothing is wrong, but required settings may
  // be missing, and where no file was named it may be one that this user may not read.
  Result<platform::Config> LoadPartialConfig() const;

  // Asks the agent where `config` says, or at the usual place: for a verb that goes on where
  // something is wrong with it.
  void FindAgentBy(const platform::Config& config);

  // kChanged when something changed and --detailed-exitcode asks to tell.
  ExitCode Changed(bool changed) const;

 private:
  Result<void> ConnectAgent();
  Result<void> ConnectWorkloadApi();

  Surroundings& world_;
  std::unique_ptr<AgentClient> agent_;
  std::unique_ptr<AdminClient> admin_;
  std::unique_ptr<WorkloadClient> workload_api_;
};

}  // namespace lodekey::cli
