// What a policy puts out: the first byte chooses the point. Nothing of it escapes as an exception,
// and what is read keeps what docs/policy.md promises.
#include <cstdint>
#include <cstdlib>

#include "issuer/ruling.h"

namespace {

void Require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lodekey;
  using namespace lodekey::issuer;
  if (size == 0) return 0;
  const PolicyPoint point = issuer::kPolicyPoints[data[0] % issuer::kPolicyPoints.size()];
  const auto output = ReadPolicyOutput(point, AsText(ByteView(data + 1, size - 1)));
  if (!output) {
    Require(output.error().Name() == "policy-output" && !output.error().text.empty());
    return 0;
  }
  Require(output->allow == output->reasons.empty() && output->reasons.size() <= kMaxReasons);
  Require(!output->rule.empty());
  for (const Reason& reason : output->reasons)
    Require(!reason.code.empty() && reason.text.size() <= kMaxReasonText);
  const bool gives =
      output->ttl || output->evidence_within || output->approval || !output->labels.empty();
  Require(output->allow || !gives);
  Require(!output->ttl || (*output->ttl > Duration(0) && point == PolicyPoint::kIssuance));
  Require(!output->evidence_within || *output->evidence_within >= kLeastEvidenceAge);
  Require(output->labels.empty() || point == PolicyPoint::kAdmission);
  return 0;
}
