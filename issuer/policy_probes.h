// Inputs for which nobody may be given anything, whatever a policy is for. A policy that allows one
// of them allows everything.
#pragma once

#include <string>
#include <vector>

#include "issuer/ruling.h"

namespace lodekey::issuer {

// The empty object, and documents of the right form in which all that a policy may look at is
// wrong.
std::vector<std::string> ProbesOf(PolicyPoint point);

// Whether this answer to a probe gives something away. To let an operator look is to give nothing.
bool GivesAway(PolicyPoint point, const PolicyOutput& output);

}  // namespace lodekey::issuer
