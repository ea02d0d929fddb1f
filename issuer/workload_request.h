// One credential that a node asks for on behalf of a process, as it came: bounded and taken apart.
// Whether it is given is issuer/workload_decision.h's to say.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "attest/selector.h"
#include "attest/token_purpose.h"
#include "base/result.h"
#include "crypto/public_key.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxIssueItems = 64;        // of a request
inline constexpr size_t kMaxItemSelectors = 128;    // of an item
inline constexpr size_t kMaxWorkloadKeySize = 256;  // bytes of its SubjectPublicKeyInfo

using Audiences = std::vector<std::string>;

struct WorkloadRequest {
  std::string entry_id = {};
  uint64_t entry_revision = 0;
  std::vector<attest::GradedSelector> selectors = {};  // empty: ahead of the first ask
  std::variant<crypto::PublicKey, Audiences> subject;  // an X.509-SVID's key, or a JWT-SVID's
  std::vector<std::string> scopes = {};                // of a JWT-SVID: what it is for
  std::string task = {};                               // of a JWT-SVID: on whose behalf
};

// kInvalidArgument: "issue-malformed", "selector-invalid", "public-key-invalid" (no key on P-256,
// or a point that is not on the curve), "audience-invalid", "scope-invalid", "task-invalid".
Result<WorkloadRequest> ReadIssueItem(const lodekey::node::v1::IssueItem& item);

}  // namespace lodekey::issuer
