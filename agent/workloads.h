// What this host does for the workloads on it while it has an identity: knows its entries, holds
// their SVIDs, and renews them.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/entry_watch.h"
#include "agent/fd_store.h"
#include "agent/issuer_client.h"
#include "agent/jwt_svids.h"
#include "agent/schedule.h"
#include "agent/svid_book.h"
#include "agent/svid_renewal.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

// Thread-safe. Has one thread of its own, which alone waits for the issuer.
class Workloads {
 public:
  struct Options {
    std::string trust_domain;
    Retries retries;
    std::function<Time()> now;  // judges validity: the issuer's time
  };
  // What is the agent's to do; called on any thread, and must not block.
  struct Listener {
    std::function<void(const lodekey::node::v1::NextStep&)> evidence_wanted;
    std::function<void(const Error&)> refused;  // the node; nothing is given out any more
    std::function<void(const lodekey::node::v1::Bundle&)> bundle;  // the newest
  };
  // The node as it stands.
  struct Node {
    std::string serial;  // of its certificate
    WorkloadOwner owner;
    lodekey::node::v1::Bundle bundle;  // nothing older may replace it
  };
  Workloads(IssuerClient& issuer, const Options& options, Listener listener);
  ~Workloads();
  Workloads(const Workloads&) = delete;
  Workloads& operator=(const Workloads&) = delete;

  // The host has an identity, which the client uses, and the issuer has just accepted it: now, or
  // earlier in this boot.
  void Serve(const Node& node);
  // The host is refused, or is not to have an identity: nothing is given out any more. kDenied
  // stays the reason until Serve.
  void Withdraw(const Error& reason);
  // There is no identity to ask the issuer with. What is held is given out until it ends.
  void Pause(const Error& reason);

  // Before anything else: what an earlier run of the agent held for the same owner is given out
  // again; without an owner, nothing is. As FdStore::Restore.
  Result<size_t> Restore(const std::optional<WorkloadOwner>& owner,
                         const std::vector<platform::UniqueFd>& stored) {
    return store_.Restore(owner, stored);
  }

  SvidBook& book() { return book_; }
  JwtSvids& tokens() { return tokens_; }
  const IssuerRefusals& refusals() const { return renewal_.refusals(); }

 private:
  // By the issuer: the node.
  void NoteRefusal(const Error& error);
  void Run();
  void Wake();

  const Listener listener_;
  SvidBook book_;
  JwtSvids tokens_;
  FdStore store_;
  EntryWatch watch_;
  SvidRenewal renewal_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  bool denied_ = false;
  std::thread worker_;
};

}  // namespace lodekey::agent
