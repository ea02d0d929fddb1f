// A node is quarantined: there may be a copy of it, and an operator has to look. Who watches the
// audit log sees it there, who watches the journal there.
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

// To the log, once the quarantine is durable.
void AlarmQuarantine(const NodeId& node, const std::string& reason);

}  // namespace lodekey::issuer
