// Policies and their decisions, as people and programs read them. Pure.
#pragma once

#include <string>

#include "cli/json.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::cli {

// "allow", or "deny: code, code", with what the allowance is bound to.
std::string DecisionSummary(const policy::v1::Decision& decision);

// The decision and each of its reasons.
std::string DecisionText(const policy::v1::Decision& decision);
Json DecisionJson(const policy::v1::Decision& decision);

std::string VersionListText(const admin::v1::ListPoliciesResponse& policies);
Json VersionJson(const policy::v1::Version& version);

std::string TestsText(const admin::v1::CheckPolicyResponse& checked);

// `directory`: where the planned policy lies; empty: the one that decides now.
std::string PlanText(const admin::v1::PlanPolicyResponse& plan, const std::string& directory,
                     int64_t since_unix_ms);
Json PlanJson(const admin::v1::PlanPolicyResponse& plan);

}  // namespace lodekey::cli
