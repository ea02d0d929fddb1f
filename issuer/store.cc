#include "issuer/store.h"

#include <future>
#include <memory>

namespace lodekey::issuer {

std::string_view CredentialKindName(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::kNode: break;
    case CredentialKind::kX509: return "x509";
    case CredentialKind::kJwt: return "jwt";
  }
  return "node";
}

Result<CredentialKind> ParseCredentialKind(std::string_view name) {
  for (const auto kind : {CredentialKind::kNode, CredentialKind::kX509, CredentialKind::kJwt}) {
    if (name == CredentialKindName(kind)) return kind;
  }
  return Fail(Code::kInvalidArgument, "no such kind of credential", {.name = "record-invalid"});
}

Result<crypto::ChainHead> Store::CommitAndWait(Change change) {
  // Shared: the writer's thread may still be inside set_value when the waiter has left.
  const auto promise = std::make_shared<std::promise<Result<crypto::ChainHead>>>();
  std::future<Result<crypto::ChainHead>> outcome = promise->get_future();
  Commit(std::move(change),
         [promise](Result<crypto::ChainHead> result) { promise->set_value(std::move(result)); });
  return outcome.get();
}

}  // namespace lodekey::issuer
