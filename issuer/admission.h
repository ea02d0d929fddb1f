// Who may enrol: what the policy says of a host, and what follows where it is not "yes".
#pragma once

#include "attest/endorsement.h"
#include "issuer/challenge.h"
#include "issuer/context.h"
#include "issuer/node_record.h"
#include "issuer/ruling.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// Of whom nobody has said that it belongs here: unknown, or waiting for approval.
bool IsStranger(const NodeRecord& record);

// Asks the policy.
Ruling Admit(const Context& context, const PolicyScene& scene, const NodeRecord& record,
             const AdmissionFacts& facts);

// Whether an operator has to look first. A node that one let in already is not asked about again.
bool NeedsApproval(const NodeRecord& record, const Ruling& admission);

// What is known of an unknown host that the policy admits.
NodeRecord NewNode(const NodeId& id, const Ruling& admission, Time now);

// A host that proved its TPM, and what became of it.
struct ProvedHost {
  Challenge challenge;
  NodeRecord record;
  AdmissionFacts facts;
  Ruling admission;
  PolicyScene scene;
};

using EnrolmentReply = Reply<lodekey::node::v1::FinishEnrolmentResponse>;

// Records the denial of a node and answers with it; a stranger's is on no record, so that strangers
// fill none.
void RefuseAdmission(const Context& context, ProvedHost host, EnrolmentReply reply);

// Makes the host a node of standing kPending, with the labels that the policy would give it, or
// notes that it came again, and answers with "approval-pending"; with kUnavailable
// ("too-many-pending") when it has no place (issuer/waiting_room.h).
void AwaitApproval(const Context& context, ProvedHost host, EnrolmentReply reply);

}  // namespace lodekey::issuer
