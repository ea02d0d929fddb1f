// When the store forgets what is over (Transaction::Expire), and how much at once.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// Not thread-safe; the store outlives it.
class Housekeeping {
 public:
  static constexpr Duration kEvery = std::chrono::hours(1);

  Housekeeping(Store& store, const Retention& retention) : store_(store), retention_(retention) {}

  // At the first call, and then kEvery after the last time that nothing was left: has the store
  // forget a part, and returns whether there may be more. Each part is a commit of its own, so that
  // agents' changes go in between. Blocking. After a failure the next call tries again.
  Result<bool> Step(Time now, Duration uptime);

 private:
  Store& store_;
  const Retention retention_;
  Duration due_ = Duration::min();  // by uptime
};

}  // namespace lodekey::issuer
