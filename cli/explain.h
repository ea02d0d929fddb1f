// A verdict in sentences: what, why, what would accept it. Pure.
#pragma once

#include <string>

#include "base/time.h"
#include "cli/json.h"
#include "lodekey/verdict/v1/verdict.pb.h"

namespace lodekey::cli {

struct ExplainContext {
  std::string who = "this host";  // "node 3f2a91c0"
  int64_t next_attest_unix_ms = 0;
  bool superseded = false;  // something happened since, and has been told
};

// Lines of text, with one numbered paragraph for each failed rule.
std::string ExplainVerdict(const verdict::v1::Verdict& verdict, const ExplainContext& context);

// "accepted", "message-refused", "enrol-again", "node-refused", "node-quarantined"; "none" for no
// verdict.
std::string_view OutcomeText(verdict::v1::Verdict::Outcome outcome);

// "outcome", "judged", "failed" (with the sentence of each rule) and "facts".
Json VerdictJson(const verdict::v1::Verdict& verdict);

}  // namespace lodekey::cli
