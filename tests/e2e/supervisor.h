// Who starts the agent of a test, and starts it again: systemd, or the test in its place.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/deployment.h"

namespace lodekey::test {

class Supervisor {
 public:
  virtual ~Supervisor() = default;
  virtual void Start() = 0;
  // Ends it as it is meant to end, and starts another run, which gets what this one stored.
  // `between` is called when the one has ended and before the other starts, where that can be told.
  virtual void Restart(const std::function<void()>& between) = 0;
  void Restart() {
    Restart([] {});
  }
  // Of the Workload API, as this process sees it; "" where it cannot.
  virtual std::string WorkloadSocket() const { return ""; }
  // lodekey on the agent's host, by root.
  virtual Finished Run(std::vector<std::string> arguments) const = 0;
  virtual std::string Log() const = 0;
};

struct SupervisedAgent {
  std::string issuer_address;
  std::string pin;
  std::string tcti;
  std::string tpm_directory;  // has the sockets that it names
};

// The test keeps the agent's descriptors.
std::unique_ptr<Supervisor> SuperviseByTest(const SupervisedAgent& agent);

// systemd as PID 1 of namespaces of its own, over this host's files, with the unit as it is
// shipped. Null where that is not permitted; `why` says what is missing.
std::unique_ptr<Supervisor> SuperviseBySystemd(const SupervisedAgent& agent, std::string& why);

}  // namespace lodekey::test
