#include "attest/devid.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "attest/appraisal_rules.h"
#include "attest/key_rules.h"
#include "base/hex.h"
#include "crypto/certificate_use.h"

namespace lodekey::attest {
namespace {

std::unexpected<Error> Untrusted(std::string name, std::string text, std::string advice = {}) {
  return Fail(Code::kUntrusted, std::move(text),
              {.name = std::move(name), .advice = std::move(advice)});
}

std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "devid-malformed",
               .advice = "See which certificates devid.certificate of the host names."});
}

Result<void> CheckBounds(const std::vector<Bytes>& certificates) {
  size_t bytes = 0;
  for (const Bytes& certificate : certificates) bytes += certificate.size();
  if (certificates.size() <= kMaxDevIdCertificates && bytes <= kMaxDevIdBytes) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("a DevID has at most {} certificates of {} bytes in all",
                          kMaxDevIdCertificates, kMaxDevIdBytes),
              {.name = "devid-too-large"});
}

// All of them: unlike a vendor's, the operator's certificates are of their own making.
Result<std::vector<crypto::Certificate>> ReadCertificates(const std::vector<Bytes>& certificates) {
  RETURN_IF_ERROR(CheckBounds(certificates), "DevID");
  if (certificates.empty()) return Malformed("a DevID without a certificate");
  std::vector<crypto::Certificate> chain;
  for (const Bytes& der : certificates) {
    auto certificate = crypto::Certificate::FromDer(der);
    if (!certificate) return Malformed(certificate.error().text);
    chain.push_back(*std::move(certificate));
  }
  return chain;
}

std::unexpected<Error> WrongUsage(std::string text, std::string advice) {
  return Untrusted("devid-usage", std::move(text), std::move(advice));
}

// Key purposes of RFC 5280, section 4.2.1.12, that are not a device's: all but clientAuth, which
// IEEE 802.1X and TLS ask of it.
bool IsOtherPurpose(const std::string& usage) {
  constexpr std::string_view kPurposes = "1.3.6.1.5.5.7.3.";
  constexpr std::string_view kClientAuth = "1.3.6.1.5.5.7.3.2";
  return usage.starts_with(kPurposes) && usage != kClientAuth;
}

Result<void> CheckPurpose(const crypto::Certificate& leaf, const std::vector<std::string>& wanted) {
  std::vector<std::string> usages = leaf.ExtendedKeyUsages();
  if (wanted.empty()) {
    if (usages.empty() || !std::ranges::all_of(usages, IsOtherPurpose)) return {};
    return WrongUsage(
        fmt::format("the DevID's certificate is for other uses alone: {}", fmt::join(usages, ", ")),
        "Show the host's DevID instead. Where it has this certificate by design, certify it "
        "without "
        "extended key usages, or name them in admission.devid_usage on the issuer.");
  }
  std::ranges::move(crypto::CertificatePolicies(leaf), std::back_inserter(usages));
  if (std::ranges::find_first_of(usages, wanted) != usages.end()) return {};
  return WrongUsage(
      fmt::format("the DevID's certificate has neither an extended key usage nor a policy of: {}",
                  fmt::join(wanted, ", ")),
      "Show the host's DevID instead; if this is it, have it certified with one of these, or "
      "correct "
      "admission.devid_usage on the issuer.");
}

// An authority certifies more than DevIDs: what is for something else names a device no better than
// any other certificate whose key happens to be in a TPM.
Result<void> CheckUsage(const crypto::Certificate& leaf, const std::vector<std::string>& wanted) {
  if (leaf.is_ca())
    return WrongUsage("the DevID's certificate is one of a certificate authority",
                      "Put the device's certificate first in devid.certificate of the host.");
  // IEEE 802.1AR-2018, 8.10: a DevID signs. RFC 5280 lets the extension be absent; a DevID whose
  // maker wrote no profile is told from nothing else.
  if (!crypto::SaysDigitalSignature(leaf))
    return WrongUsage("the DevID's certificate does not say that its key is for digital signatures",
                      "Have it certified with the key usage digitalSignature.");
  return CheckPurpose(leaf, wanted);
}

Result<void> CheckPath(const crypto::Certificate& leaf,
                       const std::vector<crypto::Certificate>& intermediates,
                       const std::vector<crypto::Certificate>& roots, Time now) {
  const auto builds = [&](std::optional<Time> at) {
    return !roots.empty() && crypto::BuildChain(leaf, intermediates, roots, {.at = at});
  };
  if (builds(now)) return {};
  if (builds(std::nullopt)) {
    return Untrusted(
        "devid-expired",
        fmt::format("the DevID certificate {} or one above it is not valid now", leaf.subject()),
        "Give the host a new DevID certificate.");
  }
  return Untrusted(
      "devid-unknown-ca",
      fmt::format("no configured root leads to the DevID's issuer '{}'", leaf.issuer()),
      "On the issuer: put the root of the DevID CA into admission.devid_roots.");
}

}  // namespace

Result<DevIdClaim> ReadDevIdClaim(const std::vector<Bytes>& certificates, ByteView key_public,
                                  const DevIdProfile& profile, Time now) {
  ASSIGN_OR_RETURN(auto chain, ReadCertificates(certificates), "DevID");
  ASSIGN_OR_RETURN(const tpm::PublicArea key, ReadDevIdKey(key_public), "DevID");
  const crypto::Certificate leaf = chain.front();
  if (!(leaf.key() == key.key()))
    return Untrusted("devid-key-mismatch", "the DevID's certificate is for another key");
  RETURN_IF_ERROR(CheckUsage(leaf, profile.usages), "DevID");
  DevIdClaim claim{.unproved = {.subject = leaf.subject(),
                                .serial = ToHex(leaf.serial()),
                                .issuer = leaf.issuer(),
                                .key_sha256 = ToBytes(key.key().spki_sha256())},
                   .key_name = key.name()};
  for (const std::string* name :
       {&claim.unproved.subject, &claim.unproved.serial, &claim.unproved.issuer}) {
    if (name->size() > kMaxDevIdName)
      return Malformed(fmt::format("a name in a DevID has at most {} bytes", kMaxDevIdName));
  }
  chain.erase(chain.begin());
  RETURN_IF_ERROR(CheckPath(leaf, chain, profile.roots, now), "DevID");
  return claim;
}

Result<ProvedDevId> ProveDevId(const DevIdClaim& claim, const tpm::PublicArea& ak,
                               const Certification& certification, ByteView qualifying) {
  if (certification.attest.empty())
    return Untrusted("devid-not-certified", "the DevID was shown without proof of its key");
  const auto certified = rules::ReadSigned(ak, certification.attest, certification.signature,
                                           tpm::AttestKind::kCertify, qualifying, "DevID");
  if (!certified) {
    const FailedRule& rule = certified.error();
    return Untrusted(
        rule.code, fmt::format("{}: expected {}, seen {}", rule.subject, rule.expected, rule.seen));
  }
  const auto& info = std::get<tpm::CertifyInfo>(certified->attested);
  if (Equal(info.name, claim.key_name)) return claim.unproved;
  return Untrusted("devid-certified-other-key",
                   fmt::format("the TPM certified the key {}, and the DevID's is {}",
                               ToHex(info.name), ToHex(claim.key_name)));
}

}  // namespace lodekey::attest
