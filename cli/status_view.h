// The agent's status, as people and programs read it. Pure.
#pragma once

#include <string>

#include "base/time.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "lodekey/agent/v1/agent_service.pb.h"

namespace lodekey::cli {

// Is an identity served?
enum class Serving {
  kServed,
  kNotEnrolled,  // none yet, or an operator took it back
  kRefused,      // the issuer refused this host
  kExpired,      // there was one in this boot; it ended without being renewed
};

// The time by which the agent judges its identity, which is right where this host's clock is wrong.
// `wall` for an agent that does not say.
Time AgentTime(const agent::v1::Status& status, Time wall);

// `now`, here and below, is AgentTime.
Serving ServingOf(const agent::v1::Status& status, Time now);

// 0, 3, 4 and 7.
ExitCode ExitCodeOf(Serving serving);

// One sentence.
std::string StatusSentence(const agent::v1::Status& status, Time now);
// What to do about it, a line; empty when there is nothing but to look at verdict and problem.
std::string StatusAdvice(const agent::v1::Status& status, Time now);
// The sentence, every field that has a value, and the last problem.
std::string StatusText(const agent::v1::Status& status, Time now);
Json StatusJson(const agent::v1::Status& status, Time now);

// The last problem: what and what to do; empty when there is none.
std::string ProblemText(const agent::v1::Status& status);
Json ProblemJson(const agent::v1::Status& status);

}  // namespace lodekey::cli
