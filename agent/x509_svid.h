// An X.509-SVID of a workload with its key: what the Workload API hands out.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "crypto/private_key.h"
#include "crypto/secret.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

struct X509Svid {
  std::string spiffe_id;
  std::string chain;   // DER, leaf first, concatenated, without the root
  crypto::Secret key;  // PKCS#8 DER
  Time not_before;
  Time not_after;
};

// From the issuer's answer: one URI SAN, which is `spiffe_id`, and the public half of `key`.
// kUntrusted ("svid-invalid").
Result<X509Svid> ReadX509Svid(const lodekey::node::v1::IssuedX509& issued,
                              const std::string& spiffe_id, const crypto::PrivateKey& key);

}  // namespace lodekey::agent
