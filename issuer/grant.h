// The way of a credential, in types: a Ruling exists only because the policy was asked; a Decision
// that allows only because of a Verdict and a Ruling, a WorkloadDecision only because of a Ruling;
// a Grant only because of either; a RecordedGrant only because its Grant is durable in store and
// audit log; Authority::Sign and JwtAuthority::Sign take only a RecordedGrant. So "issued without
// verification", "issued past the policy" and "issued without a record" do not compile
// (tests/architecture shows it).
#pragma once

#include <string>
#include <vector>

#include "attest/verdict.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/public_key.h"
#include "issuer/decision.h"
#include "issuer/store.h"

namespace lodekey::issuer {

class Authority;
class WorkloadDecision;

struct NodeCertificateRequest {
  NodeId node;
  crypto::PublicKey key;  // from the certified public area
  Time evidence_time;     // notAfter is counted from it
  Time now;
};

// What will be signed, byte for byte.
class Grant {
 public:
  // kDenied when the decision does not allow it; kUnavailable ("authority-expired") when the
  // signing CA has expired.
  static Result<Grant> ForNode(const Decision& decision, const NodeCertificateRequest& request,
                               const Authority& authority);

  // An X.509-SVID (X509-SVID, sections 2 to 4) or a JWT-SVID (JWT-SVID, sections 2 and 3), good for
  // as long as the entry says and never past the decision's end. kDenied ("evidence-too-old") when
  // the decision asks for evidence first; kUnavailable ("authority-expired").
  static Result<Grant> ForWorkload(const WorkloadDecision& decision, const Authority& authority);

  const CredentialRecord& record() const { return record_; }
  const Bytes& tbs() const { return tbs_; }
  // That it rests on.
  const Ruling& ruling() const { return ruling_; }

 private:
  explicit Grant(const Ruling& ruling) : ruling_(ruling) {}
  Result<void> FillX509(const WorkloadDecision& decision, const crypto::PublicKey& key,
                        const Authority& authority);
  Result<void> FillJwt(const WorkloadDecision& decision, const std::vector<std::string>& audiences,
                       const Authority& authority);
  Ruling ruling_;
  CredentialRecord record_;
  Bytes tbs_;
};

// A grant whose serial, digest and audit line will survive a power cut.
class RecordedGrant {
 public:
  // Reads back what was committed: kNotFound when the serial was not recorded, kConflict when it
  // was voided or other bytes were recorded under it. Works for a fresh grant and for one whose
  // reply was lost.
  static Result<RecordedGrant> Recall(Store& store, ByteView serial, ByteView tbs);
  static Result<RecordedGrant> Recall(View& view, ByteView serial, ByteView tbs);

  CredentialKind kind() const { return kind_; }
  const Bytes& tbs() const { return tbs_; }

 private:
  RecordedGrant() = default;
  CredentialKind kind_ = CredentialKind::kNode;
  Bytes tbs_;
};

}  // namespace lodekey::issuer
