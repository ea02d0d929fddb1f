// Selectors of user, groups and executable, under the names that SPIRE gives them.
#pragma once

#include "agent/attestor.h"
#include "agent/executable_digest.h"

namespace lodekey::agent {

// uid, gid and supplementary groups are those at connect. A process of another PID namespace gets
// no selector: the root of a container must not pass for the root of the host.
class UnixAttestor final : public Attestor {
 public:
  explicit UnixAttestor(ExecutableDigests& digests) : digests_(digests) {}

  Result<Attested> Attest(const CallingProcess& caller, const Wanted& wanted) override;

 private:
  Result<void> AddExecutable(const platform::ProcDir& process, const CallingProcess& caller,
                             const Wanted& wanted, Attested& attested);

  ExecutableDigests& digests_;
};

}  // namespace lodekey::agent
