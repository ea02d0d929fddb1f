// What becomes of nodes, in the issuer's log: a line for each change of standing that evidence
// brought. What each piece of evidence was judged to be is in the audit log.
#pragma once

#include <string>
#include <vector>

#include "attest/verdict.h"
#include "issuer/node_record.h"

namespace lodekey::issuer {

// The first of them, in one line; empty when there is none.
std::string FirstFailure(const std::vector<attest::FailedRule>& failed);

// Once the change is durable; nothing when there is none.
void LogStanding(const NodeId& node, Standing before, Standing after, const std::string& reason);

}  // namespace lodekey::issuer
