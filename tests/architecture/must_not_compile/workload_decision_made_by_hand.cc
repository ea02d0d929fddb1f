// A decision for a workload that follows from no entry.
#include "issuer/workload_decision.h"

namespace lodekey::issuer {

SpiffeId IdentityOf(const WorkloadRequest& request,
                    [[maybe_unused]] const WorkloadDecision& decided) {
#ifdef TWIN_THAT_COMPILES
  const WorkloadDecision decision = request.entry_id.empty() ? decided : decided;
#else
  const WorkloadDecision decision = WorkloadDecision(request, decided.ruling());
#endif
  return decision.id();
}

}  // namespace lodekey::issuer
