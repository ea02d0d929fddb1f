// Re-attestation: an enrolled node shows again what it is (docs/protocol.md, Re-attestation). One
// round trip.
#pragma once

#include "crypto/certificate.h"
#include "issuer/context.h"
#include "issuer/parsed_cache.h"
#include "issuer/peer_node.h"
#include "issuer/rate_limit.h"
#include "lodekey/node/v1/node_service.pb.h"
#include "tpm/public_area.h"

namespace lodekey::issuer {

// Of how many nodes the issuer keeps parsed what comes with each of their calls: 16 kB each, a
// small part of what their connections take.
inline constexpr size_t kKnownPeers = 8192;

// Thread-safe.
class Attestation {
 public:
  // A node may ask ten times at once, and then ten times a second. A million hosts attest 1,700
  // times a second; the total is charged to proven nodes alone.
  explicit Attestation(Context& context) : context_(context), limit_(20000, 10) {}

  // The node that the TLS channel belongs to, whose certificate's key the handshake proved. Whoever
  // is refused here is a stranger. Error::name: "peer-certificate" (not a node certificate of this
  // issuer), "peer-expired", "node-not-enrolled", "node-removed", "node-quarantined".
  Result<PeerNode> Identify(const crypto::Certificate& certificate) const;

  // Charges a call to the node. Error::name: "too-many-attestations".
  Result<void> Charge(const PeerNode& peer) const;

  // `source` is the address that asks. Error::name: "nonce-unknown", "nonce-expired",
  // "nonce-not-yet-valid", "nonce-used"; a verdict otherwise.
  void Attest(PeerNode peer, const lodekey::node::v1::AttestRequest& request,
              const std::string& source, Reply<lodekey::node::v1::AttestResponse> reply) const;

 private:
  Context& context_;
  mutable RateLimit limit_;
  mutable ParsedCache<tpm::PublicArea> areas_{2 * kKnownPeers};  // of each its AK and its node key
};

}  // namespace lodekey::issuer
