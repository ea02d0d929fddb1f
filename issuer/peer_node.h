// From a TLS peer to the node it is, checked on every call: expiry, serial, key and standing.
#pragma once

#include "attest/appraisal.h"
#include "crypto/certificate.h"
#include "issuer/context.h"
#include "issuer/node_record.h"
#include "issuer/parsed_cache.h"

namespace lodekey::issuer {

struct PeerNode {
  NodeRecord record;
  attest::Subject subject;
  Time not_after;  // of the certificate that was presented
};

// Whether the node has an identity, for others to rest on. kDenied: "node-refused", "node-removed",
// "node-quarantined", "node-not-enrolled".
Result<void> CheckIdentity(const NodeRecord& record);

// The handshake proved the private key of `certificate`. The certificate's signature need not be
// checked again: its serial must be one that was issued to this node for itself (a workload's
// certificate is no node's), and its key the node key that the TPM certified. A refused node is let
// through: its next evidence may be accepted. `areas` spares the parsing of stored public areas.
Result<PeerNode> FindPeerNode(const Context& context, ParsedCache<tpm::PublicArea>& areas,
                              const crypto::Certificate& certificate, Time now);

}  // namespace lodekey::issuer
