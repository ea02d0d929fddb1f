// What the policy decided, as operators look it up.
#pragma once

#include <string>
#include <vector>

#include "issuer/context.h"
#include "lodekey/policy/v1/policy.pb.h"

namespace lodekey::issuer {

// A recorded decision as a message: what its row says counts, not what is within its outcome.
lodekey::policy::v1::Decision DecisionOf(const DecisionRecord& record);

struct DecisionPage {
  std::vector<lodekey::policy::v1::Decision> decisions;
  uint64_t next = 0;  // 0: the end
};

// Blocking; thread-safe.
class DecisionBook {
 public:
  static constexpr size_t kMaxPage = 1000;
  static constexpr size_t kShortestPrefix = 4;  // bytes of a digest

  explicit DecisionBook(const Context& context) : context_(context) {}

  // The oldest first; at most `limit`, and fewer where few of those that were looked through have
  // the reason `code` (empty: any).
  Result<DecisionPage> List(DecisionFilter filter, const std::string& code, size_t limit) const;

  // The newest on the input whose SHA-256 is, or begins with, `digest`. kInvalidArgument
  // ("digest-too-short"), kConflict ("input-ambiguous"), kNotFound ("decision-not-found").
  Result<DecisionRecord> Find(ByteView digest) const;

 private:
  const Context& context_;
};

}  // namespace lodekey::issuer
