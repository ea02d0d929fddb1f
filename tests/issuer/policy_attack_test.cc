// Attacks on what decides.
#include <gtest/gtest.h>

#include "issuer/policy.h"
#include "issuer/policy_probes.h"
#include "tests/issuer/policy_fixture.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

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
    EXPECT_EQ(Loads(OpenAt(point, "input.trust_domain == \"example.org\"")), "loaded") << point;
    EXPECT_EQ(Loads(OpenAt(point, "true")), "policy-allows-all") << point;
    EXPECT_EQ(Loads(OpenAt(point, "input.schema == 1")), "policy-allows-all") << point;
    EXPECT_EQ(Loads(OpenAt(point, "input.node.known")), "policy-allows-all") << point;
    EXPECT_EQ(Loads(OpenAt(point, "not input.node.known")), "policy-allows-all") << point;
  }
  EXPECT_EQ(Loads(Always(kAllowAll, kAllowAllData)), "loaded") << "it says so";
}

// The shipped policy without one line of it: everything else is still asked.
issuer::PolicyBundle ShippedWithout(const std::string& file, const std::string& line) {
  issuer::PolicyBundle bundle = ShippedWith();
  std::string& text = bundle.files.at(file);
  const size_t at = text.find("\n\t" + line + "\n");
  EXPECT_NE(at, std::string::npos) << line;
  text.replace(at, line.size() + 2, "");
  return bundle;
}

TEST(PolicyAttack, APolicyThatLacksOneConditionAllowsWhatNobodyMayHave) {
  const std::vector<std::pair<std::string, std::string>> conditions = {
      {"admission.rego", "may_enter"},
      {"standing.rego", "count(findings) == 0"},
      {"issuance.rego", "input.node.standing == \"active\""},
      {"issuance.rego", "process_matches"},
      {"issuance.rego", "audiences_allowed"}};
  for (const auto& [file, line] : conditions)
    EXPECT_EQ(Loads(ShippedWithout(file, line)), "policy-allows-all") << file << ": " << line;
}

TEST(PolicyAttack, ToAllowEverythingAtOnePointIsNoLeaveForTheOthers) {
  const nlohmann::json standing = {"standing"};
  issuer::PolicyBundle open = ShippedWithout("standing.rego", "count(findings) == 0");
  open.data = ShippedWith({{"/lodekey/unsafe_allow_all", standing}}).data;
  EXPECT_TRUE(Must(issuer::LoadPolicy(1, open, EngineOptions()))->allows_all);
  open.files = ShippedWithout("issuance.rego", "process_matches").files;
  EXPECT_EQ(Loads(open), "policy-allows-all");
}

// What the probes are made from is right but for their one flaw: the shipped policy allows it.
TEST(PolicyProbes, AreMadeFromWhatIsRight) {
  const auto shipped = Lazily(ShippedWith());
  for (const issuer::PolicyPoint point : issuer::kPolicyPoints) {
    const auto inputs = issuer::SoundInputs(point);
    ASSERT_FALSE(inputs.empty());
    for (const issuer::Ruling& ruling : issuer::Policy::Rehearse(*shipped, point, inputs, At(0)))
      EXPECT_TRUE(ruling.allowed())
          << issuer::PolicyPointName(point) << " " << ruling.output().reasons.front().code;
  }
}

// … and each is denied for that flaw: no other of its answers is by luck.
TEST(PolicyProbes, AreDeniedByTheShippedPolicy) {
  const auto shipped = Lazily(ShippedWith());
  for (const issuer::PolicyPoint point : issuer::kPolicyPoints) {
    for (const issuer::PolicyProbe& probe : issuer::ProbesOf(point)) {
      const auto rulings = issuer::Policy::Rehearse(*shipped, point, {probe.input}, At(0));
      EXPECT_FALSE(rulings.front().allowed()) << probe.who;
    }
  }
}

}  // namespace
}  // namespace lodekey::test
