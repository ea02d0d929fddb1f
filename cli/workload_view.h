// What the agent says of a process, for people and for scripts.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/json.h"
#include "lodekey/agent/v1/agent_service.pb.h"

namespace lodekey::cli {

// `workload inspect`: every selector with its grade, what was left out, and which entries match.
std::string WorkloadText(const agent::v1::Workload& workload);
Json WorkloadJson(const agent::v1::Workload& workload);

// `explain --pid`: which identities the process gets, and what keeps it from the others.
std::string ExplainWorkload(const agent::v1::Workload& workload);

// An entry for processes like this one on this host. kNotFound ("selectors-missing") when the agent
// found nothing that tells users apart.
struct Suggestion {
  std::string spiffe_id;
  std::string node;
  std::vector<std::string> selectors;  // user and program
  std::string digest;                  // a selector that pins the build; empty: none
};
Result<Suggestion> SuggestEntry(const agent::v1::Workload& workload, const std::string& node,
                                const std::string& trust_domain);
std::string SuggestionText(const Suggestion& suggestion);
// In the form that `entry import` takes, on one line.
std::string SuggestionLine(const Suggestion& suggestion);

}  // namespace lodekey::cli
