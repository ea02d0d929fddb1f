#include "issuer/rehearsal.h"

#include <optional>

namespace lodekey::issuer {

Result<bool> CommitIfKept(Store& store, const std::function<Result<bool>(Transaction&)>& work) {
  std::optional<Result<bool>> keep;
  const auto committed = store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    keep = work(transaction);
    if (*keep && **keep) return {};
    return Fail(Code::kConflict, "nothing was to be kept");
  });
  if (keep && !*keep) return std::unexpected(std::move(keep->error()));
  if (keep && !**keep) return false;
  if (!committed) return std::unexpected(committed.error());
  return true;
}

}  // namespace lodekey::issuer
