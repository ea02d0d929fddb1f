// What the issuer refused a workload lately, for people and programs.
#pragma once

#include <string>
#include <string_view>

#include "cli/json.h"
#include "lodekey/agent/v1/agent_service.pb.h"

namespace lodekey::cli {

// Control characters escaped, and a full stop at its end.
std::string EscapedSentence(std::string_view text);

// One line for what was refused and its first reason, one for each further reason, and one for what
// decided; each indented by `indent`.
std::string RefusedText(const agent::v1::Refused& refused, const std::string& indent);
Json RefusedJson(const agent::v1::Refused& refused);

}  // namespace lodekey::cli
