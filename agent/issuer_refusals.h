// What the issuer last refused to issue, with what its policy said: for people who ask why.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "attest/token_purpose.h"
#include "base/error.h"
#include "base/time.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

struct IssuerRefusal {
  std::string entry_id;
  std::optional<attest::TokenPurpose> purpose;  // nullopt: an X.509-SVID
  lodekey::node::v1::Refusal refusal;
  Time at;  // the issuer's
};

// What a caller is told: where the policy gave reasons, the first of them.
Error ErrorOf(const lodekey::node::v1::Refusal& refusal);

// Thread-safe.
class IssuerRefusals {
 public:
  // The oldest goes first.
  static constexpr size_t kMaxKept = 128;

  void Note(IssuerRefusal refusal);
  // It was issued since.
  void Forget(const std::string& entry_id, const std::optional<attest::TokenPurpose>& purpose);
  // The latest first.
  std::vector<IssuerRefusal> Of(const std::string& entry_id) const;

 private:
  mutable std::mutex mutex_;
  std::list<IssuerRefusal> kept_;  // the latest first
};

}  // namespace lodekey::agent
