#include "attest/devid.h"

#include <fmt/format.h>

#include "attest/appraisal_rules.h"
#include "attest/key_rules.h"
#include "base/hex.h"

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
                                  const std::vector<crypto::Certificate>& roots, Time now) {
  ASSIGN_OR_RETURN(auto chain, ReadCertificates(certificates), "DevID");
  ASSIGN_OR_RETURN(const tpm::PublicArea key, ReadDevIdKey(key_public), "DevID");
  const crypto::Certificate leaf = chain.front();
  if (!(leaf.key() == key.key()))
    return Untrusted("devid-key-mismatch", "the DevID's certificate is for another key");
  if (leaf.is_ca())
    return Untrusted("devid-usage", "the DevID's certificate is one of a certificate authority");
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
  RETURN_IF_ERROR(CheckPath(leaf, chain, roots, now), "DevID");
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
