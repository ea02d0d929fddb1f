#include "issuer/policy_trust.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hex.h"
#include "issuer/policy_bundle.h"

namespace lodekey::issuer {
namespace {

constexpr std::string_view kPrefix = "ed25519:";

std::optional<attest::PolicySignature> SignatureOf(const PolicyRecord& record) {
  attest::PolicySignature signature{.version = record.signed_version};
  if (record.signer.size() != signature.key.size() ||
      record.signature.size() != signature.signature.size())
    return std::nullopt;
  std::ranges::copy(record.signer, signature.key.begin());
  std::ranges::copy(record.signature, signature.signature.begin());
  return signature;
}

}  // namespace

Result<crypto::Ed25519PublicKey> ParsePolicySigner(std::string_view text) {
  crypto::Ed25519PublicKey key{};
  if (text.starts_with(kPrefix)) {
    const auto bytes = ParseHex(text.substr(kPrefix.size()));
    if (bytes && bytes->size() == key.size()) {
      std::ranges::copy(*bytes, key.begin());
      return key;
    }
  }
  return Fail(
      Code::kInvalidArgument,
      fmt::format("'{}' is no key of a signer: ed25519: and 64 hexadecimal digits", text),
      {.name = "policy-signer", .advice = "Give what 'lodekey policy sign' prints as the signer."});
}

std::string FormatPolicySigner(const crypto::Ed25519PublicKey& key) {
  return std::string(kPrefix) + ToHex(key);
}

Result<void> CheckPolicySignature(const attest::PolicyBundle& bundle,
                                  const std::optional<attest::PolicySignature>& signature,
                                  const PolicySigners& signers) {
  if (!signature) {
    if (signers.empty()) return {};
    return Fail(Code::kDenied, "this issuer takes only signed policies",
                {.name = "policy-unsigned",
                 .advice = "Sign it with a key of policy.signers: lodekey policy sign"});
  }
  if (!signers.empty() && std::ranges::find(signers, signature->key) == signers.end()) {
    return Fail(
        Code::kDenied,
        fmt::format("{} is none of this issuer's policy.signers",
                    FormatPolicySigner(signature->key)),
        {.name = "policy-signature", .advice = "Have one of them sign it: lodekey policy sign"});
  }
  if (attest::VerifyPolicy(bundle, *signature)) return {};
  return Fail(Code::kDenied, "the signature is not over these files under this version",
              {.name = "policy-signature",
               .advice = "Something changed after it was signed: look at it, and sign it again."});
}

Result<void> CheckStoredPolicy(const std::optional<PolicyRecord>& record,
                               const PolicySigners& signers, const PolicyMark::Taken& newest) {
  if (signers.empty()) return {};
  const uint64_t version = record ? record->signed_version : 0;
  const bool other = version == newest.version && record && record->digest != newest.digest;
  if (version < newest.version || (version != 0 && other)) {
    return Fail(
        Code::kUntrusted,
        fmt::format("the policy in the database is {}, and this issuer took {} {} before: "
                    "the database was changed, or is an old copy",
                    version == 0 ? "a shipped or unsigned one"
                                 : fmt::format("signed as version {}", version),
                    other ? "another one of version" : "version", newest.version),
        {.name = "policy-rolled-back",
         .advice = "Restore the newest backup of the database. If it is to go on with this "
                   "one, remove ca/policy.version, start it, and apply the newest policy."});
  }
  if (!record) return {};
  ASSIGN_OR_RETURN(const attest::PolicyBundle bundle, DecodeBundle(record->content), "policy");
  return CheckPolicySignature(bundle, SignatureOf(*record), signers);
}

}  // namespace lodekey::issuer
