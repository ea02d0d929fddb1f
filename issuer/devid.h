// The DevID of a host that enrols: claimed at its start, proved at its end, and one node's alone.
#pragma once

#include <optional>

#include "attest/devid.h"
#include "issuer/admission.h"
#include "issuer/challenge.h"
#include "issuer/context.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// Of a host that shows one; errors as attest::ReadDevIdClaim.
Result<std::optional<attest::DevIdClaim>> ReadDevIdClaim(
    const Context& context, const lodekey::node::v1::StartEnrolmentRequest& request, Time now);

// Of a host that claimed one; errors as attest::ProveDevId.
Result<std::optional<attest::ProvedDevId>> ProveDevId(
    const Context& context, const Challenge& challenge,
    const lodekey::node::v1::FinishEnrolmentRequest& request);

// The node is the one of the DevID that it proved from here on, whatever becomes of its evidence; one
// that shows none keeps the one that it had, so that no other chip gets its key.
void BindDevId(ProvedHost& host);

// The other node that enrolled with the host's DevID; nullopt: none.
Result<std::optional<NodeId>> FindOtherOwner(const Context& context, const ProvedHost& host);

// Two chips with one key: it was not made in either, or its maker lost it. Writes an alarm into
// audit log and log, and answers with "devid-duplicate".
void RefuseDuplicate(const Context& context, const ProvedHost& host, const NodeId& owner,
                     EnrolmentReply reply);

// "CN=host-7,O=Example, serial 1f2e", of at most kMaxShownValue bytes.
std::string DevIdName(const attest::ProvedDevId& devid);

}  // namespace lodekey::issuer
