#include "issuer/grant.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "crypto/certificate_builder.h"
#include "crypto/encoding.h"
#include "issuer/authority.h"
#include "issuer/workload_decision.h"

namespace lodekey::issuer {
namespace {

// Hosts whose clock is a little behind must be able to use a certificate at once.
constexpr Duration kBackdate = std::chrono::minutes(1);

std::unexpected<Error> Expired() {
  return Fail(Code::kUnavailable, "evidence or signing CA is too old to issue a certificate on",
              {.name = "authority-expired",
               .advice = "Check the issuer's clock and its intermediate (lodekey status)."});
}

// A NumericDate (RFC 7519, section 2), rounded down.
std::chrono::sys_seconds WholeSeconds(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time);
}

}  // namespace

Result<Grant> Grant::ForNode(const Decision& decision, const NodeCertificateRequest& request,
                             const Authority& authority) {
  if (!decision.allowed())
    return Fail(Code::kDenied, "the node's evidence was not accepted", {.name = "not-accepted"});
  const auto signer = authority.signer(request.now);
  const AuthorityOptions& options = authority.options();
  // notAfter(node) ≤ time of evidence + L, and no certificate outlives its issuer.
  Time not_after =
      std::min(request.evidence_time + options.node_ttl, signer->certificate.not_after());
  const auto ttl = decision.ruling()->output().ttl;
  if (ttl) not_after = std::min(not_after, request.now + *ttl);
  if (not_after <= request.now) return Expired();
  Grant grant(*decision.ruling());
  CredentialRecord& record = grant.record_;
  record.serial = crypto::RandomSerial();
  record.node = request.node;
  record.spiffe_id = fmt::format("spiffe://{}/node/{}", options.trust_domain, request.node);
  record.not_before = request.now - kBackdate;
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

Result<Grant> Grant::ForWorkload(const WorkloadDecision& decision, const Authority& authority) {
  if (decision.needs_evidence())
    return Fail(Code::kDenied, "the node has to attest first", {.name = "evidence-too-old"});
  Grant grant(decision.ruling());
  CredentialRecord& record = grant.record_;
  record.serial = crypto::RandomSerial();
  record.node = decision.node();
  record.spiffe_id = decision.id().ToString();
  record.evidence_time = decision.evidence_time();
  record.entry = decision.entry().id;
  const auto* key = std::get_if<crypto::PublicKey>(&decision.subject());
  auto filled = key != nullptr
                    ? grant.FillX509(decision, *key, authority)
                    : grant.FillJwt(decision, std::get<Audiences>(decision.subject()), authority);
  if (!filled) return std::unexpected(std::move(filled.error()));
  record.tbs_digest = ToBytes(crypto::Sha256(grant.tbs_));
  return grant;
}

Result<void> Grant::FillX509(const WorkloadDecision& decision, const crypto::PublicKey& key,
                             const Authority& authority) {
  const Time now = decision.decided();
  const auto signer = authority.signer(now);
  record_.kind = CredentialKind::kX509;
  record_.not_before = now - kBackdate;
  record_.not_after = std::min(
      {now + decision.entry().x509_ttl, decision.not_after(), signer->certificate.not_after()});
  if (WholeSeconds(record_.not_after) <= now) return Expired();
  ASSIGN_OR_RETURN(tbs_,
                   crypto::BuildTbsCertificate({.serial = record_.serial,
                                                .common_name = decision.entry().common_name,
                                                .organization = {},
                                                .not_before = record_.not_before,
                                                .not_after = record_.not_after,
                                                .uri_sans = {record_.spiffe_id},
                                                .dns_sans = decision.entry().dns_names,
                                                .client_auth = true,
                                                .server_auth = true},
                                               key, &signer->certificate),
                   "write the X.509-SVID");
  return {};
}

Result<void> Grant::FillJwt(const WorkloadDecision& decision, const Audiences& audiences,
                            const Authority& authority) {
  const auto issued = WholeSeconds(decision.decided());
  const auto ends =
      WholeSeconds(std::min(decision.decided() + decision.entry().jwt_ttl, decision.not_after()));
  if (ends <= decision.decided()) return Expired();
  record_.kind = CredentialKind::kJwt;
  record_.not_before = issued;
  record_.not_after = ends;
  nlohmann::ordered_json claims = {{"sub", record_.spiffe_id},
                                   {"aud", audiences},
                                   {"exp", ends.time_since_epoch().count()},
                                   {"iat", issued.time_since_epoch().count()},
                                   {"jti", ToHex(record_.serial)}};
  // RFC 8693, section 4.2: one text, the scopes with blanks between.
  if (!decision.scopes().empty())
    claims["scope"] = fmt::format("{}", fmt::join(decision.scopes(), " "));
  if (!decision.task().empty()) claims["task"] = decision.task();
  tbs_ = ToBytes(authority.jwt().TokenPrefix() + crypto::ToBase64Url(AsBytes(claims.dump())));
  return {};
}

Result<RecordedGrant> RecordedGrant::Recall(Store& store, ByteView serial, ByteView tbs) {
  Result<RecordedGrant> recalled = RecordedGrant();
  RETURN_IF_ERROR(store.Read([&](View& view) -> Result<void> {
    recalled = Recall(view, serial, tbs);
    return {};
  }),
                  "recall a grant");
  return recalled;
}

Result<RecordedGrant> RecordedGrant::Recall(View& view, ByteView serial, ByteView tbs) {
  ASSIGN_OR_RETURN(const auto found, view.FindCredential(serial), "find the credential");
  if (!found)
    return Fail(Code::kNotFound, "no credential with this serial was recorded",
                {.name = "grant-not-recorded"});
  if (found->state != CredentialState::kIssued || !Equal(found->tbs_digest, crypto::Sha256(tbs))) {
    return Fail(Code::kConflict, "the credential was voided, or other bytes were recorded",
                {.name = "grant-void"});
  }
  RecordedGrant grant;
  grant.kind_ = found->kind;
  grant.tbs_ = ToBytes(tbs);
  return grant;
}

}  // namespace lodekey::issuer
