// The shipped policy on the real engine, with another data.json or other rules where a test wants
// them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "issuer/policy.h"

namespace lodekey::test {

// A worker of this build, with time enough on a machine that does other things too.
issuer::PolicyEngineOptions EngineOptions();

// What is shipped, with other choices: {"/appraisal/require_claim", false}.
using Choices = std::map<std::string, nlohmann::json>;
issuer::PolicyBundle ShippedWith(const Choices& choices = {});

// Rules of a package ("lodekey.issuance") beside those that are shipped.
issuer::PolicyBundle ShippedAnd(const std::string& package, const std::string& rules,
                                const Choices& choices = {});

// Decides everything as `decision`, a Rego term, says.
issuer::PolicyBundle Always(const std::string& decision, const std::string& data = "{}");
inline constexpr const char* kAllowAll = R"({"allow": true, "rule": "all"})";
inline constexpr const char* kAllowAllData = R"({"lodekey": {"unsafe_allow_all": true}})";
inline constexpr const char* kDenyAll =
    R"({"allow": false, "rule": "none", "reasons": [{"code": "denied-by-test", "subject": "everything"}]})";

// As LoadPolicy makes it, but that its engine starts at the first question: most tests ask none.
std::shared_ptr<const issuer::LoadedPolicy> Lazily(
    issuer::PolicyBundle bundle, uint64_t version = 0,
    const issuer::PolicyEngineOptions& options = EngineOptions());

}  // namespace lodekey::test
