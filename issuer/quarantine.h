// A node is quarantined: there may be a copy of it, and an operator has to look.
#pragma once

#include <string>

#include "attest/verdict.h"
#include "base/time.h"
#include "issuer/node_record.h"

namespace lodekey::issuer {

// The rule for which `verdict` quarantines, in one line; empty when it does not.
std::string QuarantineReason(const attest::Verdict& verdict);

// "node.quarantined" of the audit log.
std::string QuarantineRecord(const NodeId& node, const std::string& reason, Time now);

}  // namespace lodekey::issuer
