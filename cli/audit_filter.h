// Which records of the audit log are looked for. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/json.h"

namespace lodekey::cli {

// What is empty does not matter; all that is given must hold.
struct AuditFilter {
  std::string node = {};                 // its id, or how that begins
  std::string entry = {};                // the same
  std::string actor = {};                // "uid 0"
  std::vector<std::string> events = {};  // any of them
  std::vector<std::string> codes = {};   // any of them, of a failed rule or a reason of the policy
  std::optional<Time> since = {};
  std::optional<Time> until = {};  // before it
};

// The record within a line of the log, whose signature is not looked at. kInvalidArgument
// ("audit-line-malformed").
Result<Json> RecordOf(std::string_view line);

// When it was made, where it says so.
std::optional<Time> TimeOf(const Json& record);

// Whether the line may hold such a record: looked up before it is parsed, for logs are long.
bool MayMatch(const AuditFilter& filter, std::string_view line);
bool Matches(const AuditFilter& filter, const Json& record);

// The SHA-256 (hex) of what the policy was told; empty: the record is of no decision.
std::string InputOf(const Json& record);

// The record in a few words.
std::string WhatOf(const Json& record);

}  // namespace lodekey::cli
