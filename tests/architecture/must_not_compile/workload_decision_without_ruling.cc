// A credential for a workload past the policy.
#include "issuer/workload_decision.h"

namespace lodekey::issuer {

Result<WorkloadDecision> Decide(const NodeRecord& node, const attest::Entry& entry,
                                const WorkloadRequest& request,
                                [[maybe_unused]] const Ruling& ruling) {
#ifdef TWIN_THAT_COMPILES
  return WorkloadDecision::After(node, entry, request, ruling, Duration(), Time());
#else
  return WorkloadDecision::After(node, entry, request, Duration(), Time());
#endif
}

}  // namespace lodekey::issuer
