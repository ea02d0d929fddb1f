// A policy as an operator writes it: Rego files and one data document, taken and replaced as a
// whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"

namespace lodekey::attest {

inline constexpr size_t kMaxPolicyFiles = 64;
inline constexpr size_t kMaxPolicyFileName = 128;           // bytes
inline constexpr size_t kMaxPolicyBytes = size_t{1} << 20;  // of all files and the data
inline constexpr std::string_view kPolicyTestSuffix = "_test.rego";

struct PolicyBundle {
  // Name ("issuance.rego") to text. Those that end in "_test.rego" are its tests: they decide
  // nothing.
  std::map<std::string, std::string> files = {};
  std::string data = "{}";  // a JSON object: the document `data` beside the packages
  bool operator==(const PolicyBundle&) const = default;
};

// SHA-256 over the names and the texts in their order (docs/protocol.md, Policies): what a
// signature covers, and what history shows.
crypto::Sha256Digest BundleDigest(const PolicyBundle& bundle);

// Who stands for a policy, and which of theirs it is.
struct PolicySignature {
  uint64_t version = 0;  // as the signer counts: an issuer takes none that is lower than before
  crypto::Ed25519PublicKey key{};
  crypto::Ed25519Signature signature{};
};

PolicySignature SignPolicy(const PolicyBundle& bundle, uint64_t version,
                           const crypto::Ed25519Key& key);

// Whether `signature.key` signed this bundle under this version.
bool VerifyPolicy(const PolicyBundle& bundle, const PolicySignature& signature);

}  // namespace lodekey::attest
