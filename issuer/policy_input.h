// What the policy is told, as one JSON document for each decision (docs/policy.md, Input).
// Everything that a decision may rest on is in it: the same input and the same policy give the same
// decision at any time.
#pragma once

#include <optional>
#include <string>

#include "attest/devid.h"
#include "attest/endorsement.h"
#include "attest/entry.h"
#include "attest/verdict.h"
#include "base/spiffe_id.h"
#include "base/time.h"
#include "issuer/node_record.h"
#include "issuer/store_limits.h"  // kMaxDecisionInput
#include "issuer/workload_request.h"

namespace lodekey::issuer {

// What surrounds a request, at whatever point.
struct PolicyScene {
  std::string trust_domain;
  std::string source = {};  // the address that asks, as the issuer sees it
  Time now;
};

struct AdmissionFacts {
  attest::Assurance assurance = attest::Assurance::kInventory;
  std::string assurance_reason = {};  // why it is no higher
  std::string manufacturer = {};      // of the TPM; empty: nobody vouches for any
  std::optional<attest::ProvedDevId> devid = {};
  bool finished = false;  // possession of the TPM is proved: false at StartEnrolment
};

// `record`: what is known of the node; revision 0: nothing.
std::string AdmissionInput(const PolicyScene& scene, const NodeRecord& record,
                           const AdmissionFacts& facts);

// `assurance`: of the enrolment that the evidence belongs to.
std::string StandingInput(const PolicyScene& scene, const NodeRecord& record,
                          std::string_view assurance, const attest::Verdict& verdict,
                          Time evidence_time);

std::string IssuanceInput(const PolicyScene& scene, const NodeRecord& record,
                          const attest::Entry& entry, const SpiffeId& id,
                          const WorkloadRequest& request);

}  // namespace lodekey::issuer
