// What the agent remembers: in its state directory over boots, in its runtime directory within one.
#pragma once

#include <string>

#include "attest/ledger.h"
#include "base/result.h"
#include "lodekey/agent/v1/agent_state.pb.h"
#include "platform/unique_fd.h"

namespace lodekey::agent {

// The files of one agent. Not thread-safe: the agent's loop owns it.
class State {
 public:
  // Makes the directories where they are missing (0700, 0755 for the runtime directory) and locks
  // them: kConflict
  // ("already-running"). kUntrusted ("state-corrupt") and kConflict ("state-newer") name the file
  // and what to do.
  static Result<State> Open(std::string state_dir, std::string runtime_dir);

  lodekey::agent::v1::AgentState& lasting() { return lasting_; }
  lodekey::agent::v1::BootState& boot() { return boot_; }
  attest::Ledger& ledger() { return ledger_; }
  const lodekey::agent::v1::AgentState& lasting() const { return lasting_; }
  const lodekey::agent::v1::BootState& boot() const { return boot_; }
  const attest::Ledger& ledger() const { return ledger_; }

  // What was learned of another trust domain is forgotten: its issuer, its roots and its identity
  // mean nothing in this one.
  Result<void> BelongTo(const std::string& trust_domain);

  // Each makes what was changed durable.
  Result<void> SaveLasting() const;
  Result<void> SaveBoot() const;
  Result<void> SaveLedger() const;
  // Forgets what belonged to another boot: node key, ledger, identity.
  Result<void> ForgetBoot();

  std::string AkKeyPath() const { return state_dir_ + "/ak.key"; }
  std::string NodeKeyPath() const { return runtime_dir_ + "/node.key"; }

 private:
  State(std::string state_dir, std::string runtime_dir, platform::UniqueFd lock)
      : state_dir_(std::move(state_dir)),
        runtime_dir_(std::move(runtime_dir)),
        lock_(std::move(lock)) {}
  Result<void> Load();
  std::string LastingPath() const { return state_dir_ + "/agent.state"; }
  std::string BootPath() const { return runtime_dir_ + "/boot.state"; }
  std::string LedgerPath() const { return runtime_dir_ + "/ledger.cel"; }

  std::string state_dir_;
  std::string runtime_dir_;
  platform::UniqueFd lock_;
  lodekey::agent::v1::AgentState lasting_;
  lodekey::agent::v1::BootState boot_;
  attest::Ledger ledger_;
};

}  // namespace lodekey::agent
