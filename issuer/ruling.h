// What the policy says about one input: the form of its output (docs/policy.md, Output), read
// strictly.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace lodekey::issuer {

enum class PolicyPoint {
  kAdmission,  // of a node, as it enrols
  kStanding,   // of a node, after its evidence was judged
  kIssuance,   // of a workload's credential
};

inline constexpr std::array kPolicyPoints = {PolicyPoint::kAdmission, PolicyPoint::kStanding,
                                             PolicyPoint::kIssuance};

// "admission", "standing", "issuance", and back (kInvalidArgument).
std::string_view PolicyPointName(PolicyPoint point);
Result<PolicyPoint> ParsePolicyPoint(std::string_view name);

// "data.lodekey.issuance.decision"
std::string PolicyRule(PolicyPoint point);

inline constexpr size_t kMaxReasons = 32;
inline constexpr size_t kMaxReasonText = 1024;  // bytes of each text of a reason
// Evidence can be no younger than the nonce it is made for and its way.
inline constexpr Duration kLeastEvidenceAge = std::chrono::seconds(30);

// Why something is denied, in the form of a failed rule (attest/verdict.h).
struct Reason {
  std::string code;          // stable, kebab-case
  std::string subject = {};  // what was looked at
  std::string expected = {};
  std::string seen = {};
  std::string text = {};    // one sentence
  std::string accept = {};  // what would make it acceptable, as an instruction
  // The message alone is refused, and the node's standing stays as it is.
  bool message_only = false;
  bool operator==(const Reason&) const = default;
};

// As the policy gave it, before anybody acts on it.
struct PolicyOutput {
  bool allow = false;
  std::string rule;                                // which rule of the policy decided
  std::vector<Reason> reasons = {};                // of a denial at least one; by code
  std::optional<Duration> ttl = {};                // no credential for longer
  std::optional<Duration> evidence_within = {};    // obligation: younger evidence first
  bool approval = false;                           // obligation: an operator approves first
  std::map<std::string, std::string> labels = {};  // of an admission: what a new node gets
  bool operator==(const PolicyOutput&) const = default;
};

// kInvalidArgument ("policy-output") with the name of the field: unknown fields and obligations are
// errors, as is a denial without a reason or an allowance with one.
Result<PolicyOutput> ReadPolicyOutput(PolicyPoint point, std::string_view json);

// Made by Policy::Decide alone: what accepts a Ruling knows that the policy was asked.
class Ruling {
 public:
  PolicyPoint point() const { return point_; }
  const PolicyOutput& output() const { return output_; }
  bool allowed() const { return output_.allow; }
  uint64_t policy_version() const { return policy_version_; }
  // What was decided on, and SHA-256 of it.
  const std::string& input() const { return input_; }
  const Bytes& input_digest() const { return input_digest_; }
  Time decided() const { return decided_; }

 private:
  friend class Policy;
  Ruling() = default;
  PolicyPoint point_ = PolicyPoint::kIssuance;
  PolicyOutput output_;
  uint64_t policy_version_ = 0;
  std::string input_;
  Bytes input_digest_;
  Time decided_;
};

}  // namespace lodekey::issuer
