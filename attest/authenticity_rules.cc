#include <algorithm>

#include <fmt/format.h>

#include "attest/appraisal_rules.h"
#include "crypto/digest.h"

namespace lodekey::attest::rules {
namespace {

FailedRule Refused(std::string code, std::string subject, std::string expected, std::string seen) {
  return {.code = std::move(code),
          .outcome = Outcome::kMessageRefused,
          .subject = std::move(subject),
          .expected = std::move(expected),
          .seen = std::move(seen),
          .accept = "Evidence that the enrolled TPM signs for the issuer's current nonce."};
}

FailedRule FromError(const Error& error, std::string_view what) {
  return Refused(std::string(error.Name()), std::string(what),
                 "a well-formed structure signed by the node's AK", error.text);
}

// The hash of the key's signing scheme, which also hashes the PCR values (part 3, 18.4).
constexpr crypto::HashAlg kSigningHash = crypto::HashAlg::kSha256;

}  // namespace

std::expected<tpm::Attestation, FailedRule> ReadSigned(const tpm::PublicArea& ak, ByteView attest,
                                                       ByteView signature, tpm::AttestKind kind,
                                                       ByteView qualifying, std::string_view what) {
  const auto parsed = tpm::ParseAttestation(attest, kind);
  if (!parsed) return std::unexpected(FromError(parsed.error(), what));
  const auto verified = tpm::VerifyAttestationSignature(ak, attest, signature);
  if (!verified) return std::unexpected(FromError(verified.error(), what));
  // The AK is a primary of the endorsement hierarchy; any other hierarchy gives another qualified
  // name.
  const auto signer = tpm::QualifiedNameOfPrimary(ak, TPM2_RH_ENDORSEMENT);
  if (!signer) return std::unexpected(FromError(signer.error(), what));
  if (!Equal(parsed->qualified_signer, *signer)) {
    return std::unexpected(Refused("qualified-signer", std::string(what), ToHex(*signer),
                                   ToHex(parsed->qualified_signer)));
  }
  if (!Equal(parsed->extra_data, qualifying)) {
    return std::unexpected(Refused("binding-mismatch", fmt::format("{}: qualifying data", what),
                                   ToHex(qualifying), ToHex(parsed->extra_data)));
  }
  return *parsed;
}

FailedRules CheckCertification(const Subject& subject, const Certification& certification,
                               ByteView qualifying) {
  if (certification.attest.empty()) {
    return {Refused("key-not-certified", "node key", "TPM2_Certify of the node key by the AK",
                    "nothing")};
  }
  const auto certified = ReadSigned(subject.ak, certification.attest, certification.signature,
                                    tpm::AttestKind::kCertify, qualifying, "certification");
  if (!certified) return {certified.error()};
  const auto& info = std::get<tpm::CertifyInfo>(certified->attested);
  if (!Equal(info.name, subject.node_key.name())) {
    return {Refused("certified-other-key", "node key", ToHex(subject.node_key.name()),
                    ToHex(info.name))};
  }
  // A primary of the NULL hierarchy dies with the boot that is judged; a key of another would
  // outlive it.
  const auto qualified = tpm::QualifiedNameOfPrimary(subject.node_key, TPM2_RH_NULL);
  if (!qualified) return {FromError(qualified.error(), "node key")};
  if (Equal(info.qualified_name, *qualified)) return {};
  return {Refused("node-key-hierarchy", "node key: qualified name", ToHex(*qualified),
                  ToHex(info.qualified_name))};
}

FailedRules CheckQuotedValues(const tpm::QuoteInfo& quote, const tpm::PcrBank& values,
                              bool presented, const AppraisalPolicy& policy) {
  const std::string required = tpm::FormatPcrMask(policy.required);
  const std::string bank(crypto::HashName(policy.bank));
  if (quote.selection.size() != 1 || quote.selection.front().bank != policy.bank) {
    return {Refused("pcr-bank", "quote: PCR selection", fmt::format("{} and no other bank", bank),
                    fmt::format("{} bank(s), first {}", quote.selection.size(),
                                crypto::HashName(quote.selection.front().bank)))};
  }
  FailedRules failed;
  const tpm::PcrMask quoted = quote.selection.front().mask;
  if ((policy.required & ~quoted) != 0) {
    failed.push_back(Refused("pcr-required-missing", "quote: PCR selection", required,
                             tpm::FormatPcrMask(quoted)));
  }
  if (values.alg != policy.bank || (values.mask() & ~quoted) != 0) {
    failed.push_back(Refused(
        "pcr-not-quoted", "PCR values", fmt::format("{}:{}", bank, tpm::FormatPcrMask(quoted)),
        fmt::format("{}:{}", crypto::HashName(values.alg), tpm::FormatPcrMask(values.mask()))));
  }
  if ((quoted & ~values.mask()) != 0) {
    failed.push_back(Refused("pcr-value-missing", "PCR values", tpm::FormatPcrMask(quoted),
                             tpm::FormatPcrMask(values.mask())));
  }
  if (!failed.empty()) return failed;
  const auto digest = tpm::ComputePcrDigest(quote.selection, {values}, kSigningHash);
  if (digest && Equal(*digest, quote.pcr_digest)) return {};
  return {Refused(presented ? "pcr-digest-mismatch" : "pcr-values-stale", "quote: PCR digest",
                  digest ? ToHex(*digest) : digest.error().text, ToHex(quote.pcr_digest))};
}

FailedRules CheckBootLogDigest(const Evidence& evidence) {
  const size_t size = evidence.boot_log_digest.size();
  if (size != 0 && size != crypto::DigestSize(crypto::HashAlg::kSha256)) {
    return {Refused("boot-log-digest", "boot log", "a SHA-256 digest, or none",
                    fmt::format("{} bytes", size))};
  }
  if (!evidence.boot_log) return {};
  const auto digest = crypto::Sha256(*evidence.boot_log);
  if (Equal(digest, evidence.boot_log_digest)) return {};
  return {Refused("boot-log-digest", "boot log", ToHex(evidence.boot_log_digest), ToHex(digest))};
}

}  // namespace lodekey::attest::rules
