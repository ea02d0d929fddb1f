#include "attest/policy_bundle.h"
#include "base/writer.h"

namespace lodekey::attest {
namespace {

constexpr std::string_view kLabel = "lodekey/policy-signature/v1";

// docs/protocol.md, Policies.
Bytes SignedBytes(const PolicyBundle& bundle, uint64_t version) {
  Writer writer;
  writer.Raw(kLabel).U64Be(version).Raw(BundleDigest(bundle));
  return std::move(writer).Finish();
}

}  // namespace

PolicySignature SignPolicy(const PolicyBundle& bundle, uint64_t version,
                           const crypto::Ed25519Key& key) {
  return {.version = version,
          .key = key.public_key(),
          .signature = key.Sign(SignedBytes(bundle, version))};
}

bool VerifyPolicy(const PolicyBundle& bundle, const PolicySignature& signature) {
  return crypto::VerifyEd25519(signature.key, SignedBytes(bundle, signature.version),
                               signature.signature);
}

}  // namespace lodekey::attest
