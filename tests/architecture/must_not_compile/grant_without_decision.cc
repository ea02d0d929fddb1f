// A grant for which a verdict is shown where the decision that it led to is asked for.
#include "issuer/grant.h"

namespace lodekey::issuer {

Result<Grant> MakeGrant([[maybe_unused]] const Decision& decision,
                        [[maybe_unused]] const attest::Verdict& verdict,
                        const NodeCertificateRequest& request, const Authority& authority) {
#ifdef TWIN_THAT_COMPILES
  return Grant::ForNode(decision, request, authority);
#else
  return Grant::ForNode(verdict, request, authority);
#endif
}

}  // namespace lodekey::issuer
