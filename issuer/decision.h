// What becomes of a node: a verdict and the policy's ruling on it, turned into a standing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/verdict.h"
#include "base/time.h"
#include "issuer/node_record.h"
#include "issuer/policy.h"
#include "issuer/policy_input.h"
#include "issuer/ruling.h"
#include "lodekey/verdict/v1/verdict.pb.h"

namespace lodekey::issuer {

// Made from a Verdict, and one that allows from a Verdict and a Ruling on it.
class Decision {
 public:
  // The standing a node has after `verdict` where the policy said `ruling` (of kStanding). What
  // cannot be waived stays refused whatever it said.
  static Decision After(const attest::Verdict& verdict, const Ruling& ruling);
  // Where the policy is not asked: evidence that is not authentic, a boot that is over, a clone. A
  // verdict that the policy should have been asked about is refused, as a message.
  static Decision Refusal(const attest::Verdict& verdict);

  bool allowed() const { return outcome_ == attest::Outcome::kAccepted; }
  attest::Outcome outcome() const { return outcome_; }
  Standing standing() const;
  // Whether the node's standing changes at all: a refused message changes nothing.
  bool binding() const { return outcome_ != attest::Outcome::kMessageRefused; }
  // Why it is not allowed: rules that no policy waives, or the policy's reasons.
  const std::vector<attest::FailedRule>& failed() const { return failed_; }
  // Absent where the policy was not asked.
  const std::optional<Ruling>& ruling() const { return ruling_; }

 private:
  Decision() = default;
  attest::Outcome outcome_ = attest::Outcome::kMessageRefused;
  std::vector<attest::FailedRule> failed_;
  std::optional<Ruling> ruling_;
};

// Asks the policy, where it decides: the one that `verdict` was appraised by. `assurance` is that
// of the enrolment which the evidence belongs to.
Decision DecideStanding(const LoadedPolicy& policy, const PolicyScene& scene,
                        const NodeRecord& record, std::string_view assurance,
                        const attest::Verdict& verdict, Time evidence_time);

// What the node, operators and the audit log are shown.
lodekey::verdict::v1::Verdict EncodeVerdict(const attest::Verdict& verdict,
                                            const Decision& decision, const NodeId& node, Time now);

}  // namespace lodekey::issuer
