// Workload attestation: what can be said of a process that asks for its identity, in selectors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attest/selector.h"
#include "base/result.h"
#include "platform/peer.h"
#include "platform/process_snapshot.h"

namespace lodekey::agent {

// The process behind a connection, as it was when the connection was accepted.
struct CallingProcess {
  std::shared_ptr<const platform::Peer> peer;
  platform::ProcessSnapshot snapshot;
};

// What an attestor found, and in words what it left out and why.
struct Attested {
  std::vector<attest::GradedSelector> selectors = {};
  std::vector<std::string> remarks = {};
};

// What costs more than a look: asked for only where an entry of this node needs it.
struct Wanted {
  bool executable_digest = false;
};

class Attestor {
 public:
  virtual ~Attestor() = default;

  // Thread-safe; may read files, so not on a thread that must not wait. Fails with kUntrusted
  // ("peer-gone", "peer-changed") when the process is no longer what connected.
  virtual Result<Attested> Attest(const CallingProcess& caller, const Wanted& wanted) = 0;
};

}  // namespace lodekey::agent
