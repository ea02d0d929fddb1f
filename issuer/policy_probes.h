// Inputs for which nobody may be given anything, whatever a policy is for: each is good but for one
// thing, that no policy overlooks by intention. A policy that allows one of them does not decide.
#pragma once

#include <string>
#include <vector>

#include "issuer/ruling.h"

namespace lodekey::issuer {

struct PolicyProbe {
  std::string who;    // who would get something: "a process that shows no selector"
  std::string input;  // a JSON document
};

std::vector<PolicyProbe> ProbesOf(PolicyPoint point);

// What the probes are made from: all that a policy may want of it is right, as far as anybody can
// know that does not know the policy.
std::vector<std::string> SoundInputs(PolicyPoint point);

// Whether this answer to a probe gives something away. To let an operator look is to give nothing.
bool GivesAway(PolicyPoint point, const PolicyOutput& output);

}  // namespace lodekey::issuer
