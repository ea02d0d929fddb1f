#include "issuer/ruling.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::ParsePolicyPoint;
using issuer::PolicyOutput;
using issuer::PolicyPoint;
using issuer::ReadPolicyOutput;
using Json = nlohmann::json;
using std::chrono::seconds;

class RulingTest : public testing::Test {
 protected:
  static Json Allow() { return {{"allow", true}, {"rule", "a.allowed"}}; }
  static Json Deny() {
    return {{"allow", false}, {"rule", "a.deny"}, {"reasons", {{{"code", "no"}}}}};
  }
  static Json With(Json json, const Json& patch) {
    json.merge_patch(patch);
    return json;
  }
  static Json Without(Json json, const std::string& field) {
    json.erase(field);
    return json;
  }
  static Json Reasons(const Json& reasons) { return With(Deny(), {{"reasons", reasons}}); }
  static Json Obligations(const Json& obligations) {
    return With(Allow(), {{"obligations", obligations}});
  }

  static PolicyOutput Read(const Json& json, PolicyPoint point = PolicyPoint::kIssuance) {
    return Must(ReadPolicyOutput(point, json.dump()));
  }
  // The text of the refusal; "" where it was read.
  static std::string Refusal(const std::string& text, PolicyPoint point = PolicyPoint::kIssuance) {
    const auto read = ReadPolicyOutput(point, text);
    if (read) return "";
    EXPECT_EQ(read.error().Name(), "policy-output");
    EXPECT_EQ(read.error().code, Code::kInvalidArgument);
    return read.error().text;
  }
  static std::string Refusal(const Json& json, PolicyPoint point = PolicyPoint::kIssuance) {
    return Refusal(json.dump(), point);
  }
};

TEST_F(RulingTest, PointsHaveNames) {
  for (const auto point : {PolicyPoint::kAdmission, PolicyPoint::kStanding, PolicyPoint::kIssuance})
    EXPECT_EQ(Must(ParsePolicyPoint(PolicyPointName(point))), point);
  EXPECT_EQ(PolicyRule(PolicyPoint::kStanding), "data.lodekey.standing.decision");
  EXPECT_FALSE(ParsePolicyPoint("Standing").has_value());
  EXPECT_FALSE(ParsePolicyPoint("").has_value());
}

TEST_F(RulingTest, AllowanceIsRead) {
  EXPECT_EQ(Read(Allow()), (PolicyOutput{.allow = true, .rule = "a.allowed"}));
  const Json full = With(Allow(), {{"ttl", 300},
                                   {"reasons", Json::array()},
                                   {"labels", Json::object()},
                                   {"obligations", {{{"kind", "evidence"}, {"within", 60}}}}});
  EXPECT_EQ(Read(full), (PolicyOutput{.allow = true,
                                      .rule = "a.allowed",
                                      .ttl = seconds(300),
                                      .evidence_within = seconds(60)}));
}

TEST_F(RulingTest, AdmissionIsRead) {
  const Json full = With(Obligations({{{"kind", "approval"}}}), {{"labels", {{"site", "berlin"}}}});
  EXPECT_EQ(
      Read(full, PolicyPoint::kAdmission),
      (PolicyOutput{
          .allow = true, .rule = "a.allowed", .approval = true, .labels = {{"site", "berlin"}}}));
}

TEST_F(RulingTest, DenialIsReadAndItsReasonsAreInOrder) {
  const Json reasons = {
      {{"code", "b"}, {"subject", "2"}},
      {{"code", "b"}, {"subject", "1"}, {"message_only", true}},
      {{"code", "a"}, {"expected", "e"}, {"seen", "s"}, {"text", "tä"}, {"accept", "a"}}};
  const PolicyOutput output = Read(Reasons(reasons));
  EXPECT_FALSE(output.allow);
  EXPECT_EQ(output.reasons,
            (std::vector<issuer::Reason>{
                {.code = "a", .expected = "e", .seen = "s", .text = "tä", .accept = "a"},
                {.code = "b", .subject = "1", .message_only = true},
                {.code = "b", .subject = "2"}}));
}

TEST_F(RulingTest, WhatIsNoJsonIsRefused) {
  for (const std::string text :
       {"", "{", "null", "true", "[]", "{} {}", "undefined",
        R"({"allow": true, "allow": true, "rule": "a"})",
        R"({"allow": true, "rule": "a", "ttl": 1e999})", "{\"allow\": true, \"rule\": \"\xff\"}"})
    EXPECT_NE(Refusal(text), "") << text;
  EXPECT_NE(Refusal(With(Allow(), {{"rule", std::string(size_t{1} << 20, 'a')}})), "");
  EXPECT_NE(Refusal(std::string(100'000, '[')), "");
}

TEST_F(RulingTest, AllowAndRuleHaveToBeThere) {
  EXPECT_NE(Refusal(Without(Allow(), "allow")), "");
  EXPECT_NE(Refusal(Without(Deny(), "allow")), "");
  EXPECT_NE(Refusal(Without(Allow(), "rule")), "");
  for (const Json& allow : {Json(1), Json("true"), Json(nullptr), Json::array()}) {
    Json json = Allow();
    json["allow"] = allow;
    EXPECT_NE(Refusal(json), "") << allow;
  }
  EXPECT_NE(Refusal(With(Allow(), {{"rule", ""}})), "");
  EXPECT_NE(Refusal(With(Allow(), {{"rule", "a\nb"}})), "");
}

TEST_F(RulingTest, UnknownFieldsAreRefusedByName) {
  EXPECT_NE(Refusal(With(Allow(), {{"alow", true}})).find("'alow'"), std::string::npos);
  EXPECT_NE(Refusal(Reasons({{{"code", "no"}, {"cause", ""}}})).find("'cause'"), std::string::npos);
  EXPECT_NE(Refusal(Obligations({{{"kind", "evidence"}, {"within", 60}, {"for", 1}}})), "");
  EXPECT_EQ(Refusal(With(Allow(), {{"\x1b", 1}})).find('\x1b'), std::string::npos);
}

TEST_F(RulingTest, ReasonsBelongToDenialsAndDenialsHaveOne) {
  EXPECT_NE(Refusal(Reasons(Json::array())), "");
  EXPECT_NE(Refusal(Without(Deny(), "reasons")), "");
  EXPECT_NE(Refusal(With(Allow(), {{"reasons", {{{"code", "no"}}}}})), "");
}

TEST_F(RulingTest, ReasonsAreBounded) {
  EXPECT_EQ(Refusal(Reasons(std::vector(issuer::kMaxReasons, Json({{"code", "no"}})))), "");
  EXPECT_NE(Refusal(Reasons(std::vector(issuer::kMaxReasons + 1, Json({{"code", "no"}})))), "");
  const std::string longest(issuer::kMaxReasonText, 'a');
  for (const std::string field : {"subject", "expected", "seen", "text", "accept"}) {
    EXPECT_EQ(Refusal(Reasons({{{"code", "no"}, {field, longest}}})), "") << field;
    EXPECT_NE(Refusal(Reasons({{{"code", "no"}, {field, longest + "a"}}})), "") << field;
    for (const std::string text : {"a\nb", "\x1b[2J", "\xe2\x80\xae", "\x7f"})
      EXPECT_NE(Refusal(Reasons({{{"code", "no"}, {field, text}}})), "") << field;
    EXPECT_NE(Refusal(Reasons({{{"code", "no"}, {field, 1}}})), "") << field;
  }
  EXPECT_NE(Refusal(Reasons({{{"code", "no"}, {"message_only", "yes"}}})), "");
  EXPECT_NE(Refusal(Reasons({"no"})), "");
  EXPECT_NE(Refusal(Reasons({{"a", "no"}})), "");
}

TEST_F(RulingTest, CodesAreKebabCase) {
  EXPECT_EQ(Refusal(Reasons({{{"code", std::string(64, 'a')}}})), "");
  EXPECT_EQ(Refusal(Reasons({{{"code", "a-9"}}})), "");
  EXPECT_NE(Refusal(Reasons({{{"text", "no code"}}})), "");
  for (const std::string& code : {std::string(), std::string(65, 'a'), std::string("A"),
                                  std::string("a_b"), std::string("a b"), std::string("ä")})
    EXPECT_NE(Refusal(Reasons({{{"code", code}}})), "") << code;
}

TEST_F(RulingTest, LifetimeIsAWholeNumberOfSeconds) {
  EXPECT_EQ(Read(With(Allow(), {{"ttl", 1}})).ttl, seconds(1));
  EXPECT_EQ(Read(With(Allow(), {{"ttl", 365 * 86400}})).ttl, seconds(365 * 86400));
  for (const Json& ttl : {Json(0), Json(-1), Json(1.5), Json(60.0), Json(365 * 86400 + 1),
                          Json("60"), Json(UINT64_MAX), Json(true)})
    EXPECT_NE(Refusal(With(Allow(), {{"ttl", ttl}})), "") << ttl;
}

TEST_F(RulingTest, EvidenceObligationHasALimitThatCanBeMet) {
  const auto within = [](const Json& limit) {
    return Obligations({{{"kind", "evidence"}, {"within", limit}}});
  };
  EXPECT_EQ(Read(within(30)).evidence_within, issuer::kLeastEvidenceAge);
  for (const Json& limit : {Json(29), Json(0), Json(-60), Json("60"), Json(60.5)})
    EXPECT_NE(Refusal(within(limit)), "") << limit;
  EXPECT_NE(Refusal(Obligations({{{"kind", "evidence"}}})), "");
}

TEST_F(RulingTest, ObligationsAreKnownAndStandOnce) {
  const Json evidence = {{"kind", "evidence"}, {"within", 60}};
  const Json approval = {{"kind", "approval"}};
  EXPECT_NE(Refusal(Obligations({evidence, evidence})), "");
  EXPECT_NE(Refusal(Obligations({approval, approval}), PolicyPoint::kAdmission), "");
  EXPECT_NE(Refusal(Obligations({{{"kind", "prayer"}}})), "");
  EXPECT_NE(Refusal(Obligations({{{"within", 60}}})), "");
  EXPECT_NE(Refusal(Obligations({{{"kind", "approval"}, {"within", 60}}}), PolicyPoint::kAdmission),
            "");
  EXPECT_NE(Refusal(Obligations({"approval"}), PolicyPoint::kAdmission), "");
  EXPECT_NE(Refusal(With(Allow(), {{"obligations", {{"kind", "approval"}}}})), "");
}

TEST_F(RulingTest, WhatNobodyWouldActOnIsRefused) {
  const std::vector<std::pair<PolicyPoint, Json>> fields = {
      {PolicyPoint::kIssuance, {{"ttl", 60}}},
      {PolicyPoint::kIssuance, {{"obligations", {{{"kind", "evidence"}, {"within", 60}}}}}},
      {PolicyPoint::kAdmission, {{"obligations", {{{"kind", "approval"}}}}}},
      {PolicyPoint::kAdmission, {{"labels", {{"site", "berlin"}}}}}};
  for (const auto& [home, field] : fields) {
    for (const auto point :
         {PolicyPoint::kAdmission, PolicyPoint::kStanding, PolicyPoint::kIssuance})
      EXPECT_EQ(Refusal(With(Allow(), field), point) == "", point == home)
          << field << " " << PolicyPointName(point);
    EXPECT_NE(Refusal(With(Deny(), field), home), "") << field;
  }
}

TEST_F(RulingTest, LabelsAreThoseANodeMayHave) {
  const auto labels = [](const Json& value) {
    return Refusal(With(Allow(), {{"labels", value}}), PolicyPoint::kAdmission);
  };
  EXPECT_EQ(labels({{std::string(64, 'a'), std::string(256, 'b')}, {"empty", ""}}), "");
  EXPECT_NE(labels({{"", "a"}}), "");
  EXPECT_NE(labels({{std::string(65, 'a'), "b"}}), "");
  EXPECT_NE(labels({{"a\n", "b"}}), "");
  EXPECT_NE(labels({{"a", std::string(257, 'b')}}), "");
  EXPECT_NE(labels({{"a", "b\n"}}), "");
  EXPECT_NE(labels({{"a", 1}}), "");
  EXPECT_NE(labels(Json::array({"a"})), "");
  Json many = Json::object();
  for (int i = 0; i < 65; ++i) many[std::to_string(i)] = "a";
  EXPECT_NE(labels(many), "");
  many.erase("0");
  EXPECT_EQ(labels(many), "");
}

}  // namespace
}  // namespace lodekey::test
