// The node's own X.509-SVID.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

struct NodeIdentity {
  std::vector<crypto::Certificate> chain;  // leaf first, without the root

  const crypto::Certificate& leaf() const { return chain.front(); }
  std::string spiffe_id() const { return chain.front().UriSans().front(); }
  std::string ChainPem() const;
};

// Reads the issuer's message, or what was stored of it: one URI SAN, and the key that is in this
// TPM. kUntrusted
// ("identity-invalid").
Result<NodeIdentity> ReadIdentity(
    const google::protobuf::RepeatedPtrField<std::string>& certificates,
    const crypto::PublicKey& node_key);

}  // namespace lodekey::agent
