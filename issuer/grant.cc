#include "issuer/grant.h"

#include <algorithm>

#include <fmt/format.h>

#include "crypto/certificate_builder.h"
#include "issuer/authority.h"

namespace lodekey::issuer {

Decision Decision::After(const attest::Verdict& verdict) {
  Decision decision;
  decision.binding_ = verdict.outcome() != attest::Outcome::kMessageRefused;
  switch (verdict.outcome()) {
    case attest::Outcome::kAccepted:
      decision.allowed_ = true;
      decision.standing_ = Standing::kActive;
      break;
    case attest::Outcome::kNodeQuarantined: decision.standing_ = Standing::kQuarantined; break;
    // The boot that was enrolled is over: the node is as before its first enrolment.
    case attest::Outcome::kEnrolAgain: decision.standing_ = Standing::kAllowed; break;
    case attest::Outcome::kMessageRefused:
    case attest::Outcome::kNodeRefused: decision.standing_ = Standing::kRefused; break;
  }
  return decision;
}

Result<Grant> Grant::ForNode(const Decision& decision, const NodeCertificateRequest& request,
                             const Authority& authority) {
  if (!decision.allowed())
    return Fail(Code::kDenied, "the node's evidence was not accepted", {.name = "not-accepted"});
  const auto signer = authority.signer(request.now);
  const AuthorityOptions& options = authority.options();
  // notAfter(node) ≤ time of evidence + L, and no certificate outlives its issuer.
  const Time not_after =
      std::min(request.evidence_time + options.node_ttl, signer->certificate.not_after());
  if (not_after <= request.now) {
    return Fail(Code::kUnavailable, "evidence or signing CA is too old to issue a certificate on",
                {.name = "authority-expired",
                 .advice = "Check the issuer's clock and its intermediate (lodekey status)."});
  }
  Grant grant;
  CredentialRecord& record = grant.record_;
  record.serial = crypto::RandomSerial();
  record.node = request.node;
  record.spiffe_id = fmt::format("spiffe://{}/node/{}", options.trust_domain, request.node);
  // Hosts whose clock is a little behind must be able to use it at once.
  record.not_before = request.now - std::chrono::minutes(1);
  record.not_after = not_after;
  record.evidence_time = request.evidence_time;
  ASSIGN_OR_RETURN(grant.tbs_,
                   crypto::BuildTbsCertificate({.serial = record.serial,
                                                .common_name = {},
                                                .organization = {},
                                                .not_before = record.not_before,
                                                .not_after = record.not_after,
                                                .uri_sans = {record.spiffe_id},
                                                .client_auth = true,
                                                .server_auth = true},
                                               request.key, &signer->certificate),
                   "write the node certificate");
  record.tbs_digest = ToBytes(crypto::Sha256(grant.tbs_));
  return grant;
}

Result<RecordedGrant> RecordedGrant::Recall(Store& store, ByteView serial, ByteView tbs) {
  std::optional<CredentialRecord> found;
  RETURN_IF_ERROR(store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(found, view.FindCredential(serial), "find the credential");
    return {};
  }),
                  "recall a grant");
  if (!found)
    return Fail(Code::kNotFound, "no credential with this serial was recorded",
                {.name = "grant-not-recorded"});
  if (found->state != CredentialState::kIssued || !Equal(found->tbs_digest, crypto::Sha256(tbs))) {
    return Fail(Code::kConflict, "the credential was voided, or other bytes were recorded",
                {.name = "grant-void"});
  }
  RecordedGrant grant;
  grant.tbs_ = ToBytes(tbs);
  return grant;
}

}  // namespace lodekey::issuer
