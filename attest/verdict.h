// Verdict: evidence was judged; every rule that failed is listed. Distinct from Error, "could not
// judge".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "tpm/attestation.h"
#include "tpm/pcr.h"
#include "tpm/public_area.h"

namespace lodekey::attest {

// How much a fact may be believed (docs/architecture.md, Facts).
enum class Grade { kProved, kKernelMeasured, kRecorded, kObserved, kDeclared };
std::string_view GradeName(Grade grade);
std::optional<Grade> ParseGrade(std::string_view name);

struct Fact {
  std::string name;
  std::string value;
  Grade grade = Grade::kObserved;
  bool operator==(const Fact&) const = default;
};

// What a failed rule means for the node, weakest first.
enum class Outcome {
  kAccepted,
  kMessageRefused,   // not evidence of this node for this nonce: its standing is unchanged
  kEnrolAgain,       // the boot that was enrolled is over
  kNodeRefused,      // authentic and not acceptable, if the policy says so: no identity any more
  kNodeQuarantined,  // a clone is possible: an operator must look
};
std::string_view OutcomeName(Outcome outcome);

struct FailedRule {
  std::string code;  // stable, kebab-case
  Outcome outcome = Outcome::kMessageRefused;
  std::string subject;  // what was looked at: "PCR 8 (sha256)"
  std::string expected = {};
  std::string seen = {};
  std::string accept = {};  // what would make it acceptable, as an instruction
  bool operator==(const FailedRule&) const = default;
};

// What the signatures prove of the host, whether or not it is acceptable.
struct Proved {
  tpm::ClockInfo clock;
  uint64_t firmware_version = 0;
  tpm::PcrBank pcrs;
};

// Only an appraisal makes one: what accepts a Verdict knows that a verifier ran.
class Verdict {
 public:
  // By the rules that no policy can waive, which are all but those of findings().
  Outcome outcome() const;
  // Whether the policy decides: nothing failed that it could not waive.
  bool decidable() const { return outcome() == Outcome::kAccepted; }
  // Every rule, in the order in which they were looked at.
  const std::vector<FailedRule>& failed() const { return failed_; }
  // Those of outcome kNodeRefused: what they mean for the node is the policy's to say.
  std::vector<FailedRule> findings() const;
  // Whether an AK signed that is neither the enrolled nor an approved one. Anybody who may use the
  // TPM can make one: what it shows cannot cost the node its standing.
  bool by_new_ak() const;
  const std::vector<Fact>& facts() const { return facts_; }
  // Present once signature, purpose, nonce and values were found authentic.
  const std::optional<Proved>& proved() const { return proved_; }

 private:
  friend class Appraisal;
  Verdict() = default;

  std::vector<FailedRule> failed_;
  std::vector<Fact> facts_;
  std::optional<Proved> proved_;
};

}  // namespace lodekey::attest
