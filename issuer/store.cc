#include "issuer/store.h"

#include <future>
#include <memory>

namespace lodekey::issuer {

Result<crypto::ChainHead> Store::CommitAndWait(Change change) {
  // Shared: the writer's thread may still be inside set_value when the waiter has left.
  const auto promise = std::make_shared<std::promise<Result<crypto::ChainHead>>>();
  std::future<Result<crypto::ChainHead>> outcome = promise->get_future();
  Commit(std::move(change),
         [promise](Result<crypto::ChainHead> result) { promise->set_value(std::move(result)); });
  return outcome.get();
}

}  // namespace lodekey::issuer
