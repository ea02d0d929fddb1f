// Attacks on what decides.
#include <gtest/gtest.h>

#include "issuer/policy.h"
#include "tests/issuer/policy_fixture.h"

namespace lodekey::test {
namespace {

std::string Loads(const issuer::PolicyBundle& bundle) {
  const auto loaded = issuer::LoadPolicy(1, bundle, EngineOptions());
  return loaded ? "loaded" : std::string(loaded.error().Name());
}

// A policy of one point that allows, while the others are as shipped.
issuer::PolicyBundle OpenAt(const std::string& point, const std::string& condition) {
  issuer::PolicyBundle bundle = ShippedWith();
  std::erase_if(bundle.files, [](const auto& file) { return file.first.ends_with("_test.rego"); });
  bundle.files[point + ".rego"] = "package lodekey." + point + R"(

import rego.v1

default decision := {"allow": false, "rule": "no", "reasons": [{"code": "no"}]}

decision := {"allow": true, "rule": "open"} if )" +
                                  condition + "\n";
  return bundle;
}

TEST(PolicyAttack, A120) {
  EXPECT_EQ(Loads(Always(kDenyAll)), "loaded") << "the twin";
  EXPECT_EQ(Loads({}), "policy-invalid") << "no rules at all";
  EXPECT_EQ(Loads(Always(kAllowAll)), "policy-allows-all");
  EXPECT_EQ(Loads(Always(kAllowAll, R"({"lodekey": {"unsafe_allow_all": false}})")),
            "policy-allows-all");
  for (const std::string point : {"admission", "standing", "issuance"}) {
    EXPECT_EQ(Loads(OpenAt(point, "input.node.standing == \"active\"")), "loaded") << point;
    EXPECT_EQ(Loads(OpenAt(point, "true")), "policy-allows-all") << point;
    EXPECT_EQ(Loads(OpenAt(point, "input.schema == 1")), "policy-allows-all") << point;
    EXPECT_EQ(Loads(OpenAt(point, "input.node.known")), "policy-allows-all") << point;
    EXPECT_EQ(Loads(OpenAt(point, "not input.node.known")), "policy-allows-all") << point;
  }
  EXPECT_EQ(Loads(Always(kAllowAll, kAllowAllData)), "loaded") << "it says so";
}

}  // namespace
}  // namespace lodekey::test
