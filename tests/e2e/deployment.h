// A whole deployment on this machine: a TPM vendor, an issuer, and hosts with a TPM and an agent
// each. Real programs on real emulators; everything ends with the object.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/program.h"
#include "tests/support/swtpm.h"

namespace lodekey::test {

inline constexpr const char* kTrustDomain = "e2e.example";

class IssuerHost {
 public:
  // `settings` are lines of issuer.toml for the tables they name ("ca.node_ttl=20s"); given by
  // --set. Those that begin with "/" are of the policy's data.json
  // ("/admission/minimum_assurance=\"hardware\"").
  explicit IssuerHost(TpmVendor* vendor, std::vector<std::string> settings = {});

  Finished TryInit() const;                                  // lodekey-issuer init
  Finished Check() const;                                    // lodekey-issuer check
  void Init();                                               // the same, which must work
  void Start();                                              // and waits until it serves
  Finished Admin(std::vector<std::string> arguments) const;  // lodekey … -o json
  nlohmann::json AdminJson(std::vector<std::string> arguments) const;
  std::string pin() const { return pin_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }
  std::string state_dir() const { return directory / "state"; }
  std::string audit_log() const { return directory / "state/audit.jsonl"; }

  TempDir directory;
  int port;
  Daemon daemon;

 private:
  IssuerHost(TpmVendor* vendor, const std::vector<std::string>& choices,
             const std::vector<std::string>& settings);
  std::vector<std::string> Command(std::string verb) const;
  std::vector<std::string> settings_;
  std::vector<std::string> init_ = {"init"};
  std::string pin_;
};

// What differs on one host from a plain one.
struct HostOptions {
  std::vector<std::string> settings = {};  // lines of agent.toml
  // Stands before every command that runs there: "env FAKETIME=…", "setpriv …", by absolute path.
  std::vector<std::string> prefix = {};
};

class AgentHost {
 public:
  AgentHost(const std::string& issuer_address, const std::string& pin, const std::string& tcti,
            HostOptions options = {});

  void Start();  // the agent, without waiting
  Finished Run(std::vector<std::string> arguments, int seconds = 60) const;  // lodekey …
  nlohmann::json Json(
      std::vector<std::string> arguments) const;  // its output under -o json; null when it failed
  nlohmann::json Status() const { return Json({"status"}); }
  std::string EkHash() const;
  // Until what keeps the agent from its identity, or from renewing it, has this name.
  bool WaitForProblem(const std::string& code, int seconds = 30) const;
  bool WaitForPhase(const std::string& phase, int seconds = 30) const;
  // Until an attestation after this call was accepted.
  bool WaitForAttestation(int seconds = 30) const;
  void Reboot();  // the runtime directory is emptied; the TPM is the caller's

  TempDir directory;
  Daemon daemon;

 private:
  std::vector<std::string> prefix_;
};

}  // namespace lodekey::test
