// What every reply ends with: the nonce for the next evidence, and what else a node should know.
#pragma once

#include "issuer/context.h"
#include "issuer/node_record.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// What the present policy wants quoted.
lodekey::node::v1::PcrSelection SelectionOf(const Policy& policy);

// Gives the node a fresh nonce and drops what is expired or too many (two unused, and the last
// used, stay).
lodekey::node::v1::NextStep OfferNextStep(const Context& context, NodeRecord& record, Time now);

// The same for evidence that is wanted at once: its nonce lives 30 s, and one that was given for
// this shortly before is given again, so that a node that asks for many credentials has one to
// answer. Returns whether the record changed.
bool OfferEvidenceStep(const Context& context, NodeRecord& record, Time now,
                       lodekey::node::v1::NextStep& step);

lodekey::node::v1::Bundle BundleOf(const Authority& authority);
lodekey::node::v1::AuditHead HeadOf(const crypto::ChainHead& head);
lodekey::node::v1::NodeIdentity IdentityOf(const std::vector<crypto::Certificate>& chain);

}  // namespace lodekey::issuer
