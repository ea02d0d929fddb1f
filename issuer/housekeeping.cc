#include "issuer/housekeeping.h"

namespace lodekey::issuer {

Result<bool> Housekeeping::Step(Time now, Duration uptime) {
  if (uptime < due_) return false;
  size_t forgotten = 0;
  RETURN_IF_ERROR(store_.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    ASSIGN_OR_RETURN(forgotten, transaction.Expire(now, retention_), "forget");
    return {};
  }),
                  "forget what is over");
  if (forgotten == 0) due_ = uptime + kEvery;
  return forgotten > 0;
}

}  // namespace lodekey::issuer
