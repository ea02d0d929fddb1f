#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "attest/policy_codec.h"
#include "cli/policy_files.h"
#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

namespace fs = std::filesystem;

// A directory that goes away, with a policy in it, and an issuer whose version 3 decides.
struct PolicyRig : CommandRig {
  PolicyRig() {
    char name[] = "/tmp/lodekey-policy-XXXXXX";
    directory = mkdtemp(name);
    Write("issuance.rego", "package lodekey.issuance\n");
    Write("data.json", R"({"admission":{}})");
    issuer.policy = admin::v1::ShowPolicyResponse();
    issuer.policy->mutable_version()->set_version(3);
    *issuer.policy->mutable_bundle() = attest::EncodePolicy(Bundle());
    issuer.applied_policy = admin::v1::ApplyPolicyResponse();
    issuer.applied_policy->set_changed(true);
    issuer.applied_policy->mutable_version()->set_version(4);
  }
  ~PolicyRig() { fs::remove_all(directory); }
  PolicyRig(const PolicyRig&) = delete;
  PolicyRig& operator=(const PolicyRig&) = delete;

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory + "/" + name) << text;
  }
  attest::PolicyBundle Bundle() const { return ReadPolicyFiles(directory).value().bundle; }
  attest::PolicyBundle Sent() const {
    return attest::DecodePolicy(issuer.policy_applies.back().bundle()).value();
  }

  std::string directory;
};

policy::v1::Decision Denied(const std::string& code) {
  policy::v1::Decision decision;
  decision.set_point("issuance");
  decision.set_rule("deny");
  auto& reason = *decision.add_reasons();
  reason.set_code(code);
  reason.set_text("the site is another one");
  reason.set_accept("Ask the owner.");
  return decision;
}

policy::v1::Decision Allowed() {
  policy::v1::Decision decision;
  decision.set_point("issuance");
  decision.set_allowed(true);
  decision.set_rule("allow");
  return decision;
}

TEST(PolicyFiles, AreTheRegoAndTheDataOfADirectory) {
  PolicyRig rig;
  rig.Write("README.md", "not a part");
  rig.Write("extra_test.rego", "package extra_test\n");
  fs::create_directory(rig.directory + "/old.rego");
  const auto read = ReadPolicyFiles(rig.directory);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->bundle.files,
            (std::map<std::string, std::string>{{"extra_test.rego", "package extra_test\n"},
                                                {"issuance.rego", "package lodekey.issuance\n"}}));
  EXPECT_EQ(read->bundle.data, R"({"admission":{}})");
  EXPECT_FALSE(read->signature);
}

TEST(PolicyFiles, NoneIsAnErrorThatSaysHowToBegin) {
  PolicyRig rig;
  fs::remove(rig.directory + "/issuance.rego");
  const auto read = ReadPolicyFiles(rig.directory);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().Name(), "policy-not-found");
  EXPECT_NE(read.error().advice.find("policy show --write"), std::string::npos);
  EXPECT_EQ(ReadPolicyFiles(rig.directory + "/absent").error().Name(), "policy-not-found");
}

TEST(PolicyFiles, AreBounded) {
  PolicyRig rig;
  rig.Write("large.rego", std::string(attest::kMaxPolicyBytes, '#'));
  EXPECT_EQ(ReadPolicyFiles(rig.directory).error().Name(), "policy-invalid");
  fs::remove(rig.directory + "/large.rego");
  for (size_t i = 0; i < attest::kMaxPolicyFiles; ++i)
    rig.Write("f" + std::to_string(i) + ".rego", "package x\n");
  EXPECT_EQ(ReadPolicyFiles(rig.directory).error().Name(), "policy-invalid");
}

TEST(PolicyApply, SendsTheFilesForTheVersionThatDecidesNow) {
  PolicyRig rig;
  EXPECT_EQ(rig.Run({"policy", "apply", rig.directory, "--note", "CHG-7"}), 0) << rig.err();
  EXPECT_EQ(rig.Sent(), rig.Bundle());
  EXPECT_EQ(rig.issuer.policy_applies.back().base_version(), 3U);
  EXPECT_EQ(rig.issuer.policy_applies.back().note(), "CHG-7");
  EXPECT_FALSE(rig.issuer.policy_applies.back().yes_lock_out());
  EXPECT_FALSE(rig.issuer.policy_applies.back().has_signature());
  EXPECT_EQ(rig.out(), "Version 4 decides now.\n");
  EXPECT_EQ(rig.Run({"policy", "apply", rig.directory, "--detailed-exitcode"}), 10);
}

TEST(PolicyApply, KeepsToTheVersionThatTheOperatorSaw) {
  PolicyRig rig;
  EXPECT_EQ(rig.Run({"policy", "apply", rig.directory, "--base", "2", "--yes-lock-out"}), 0);
  EXPECT_EQ(rig.issuer.policy_applies.back().base_version(), 2U);
  EXPECT_TRUE(rig.issuer.policy_applies.back().yes_lock_out());
}

TEST(PolicyApply, SaysLoudlyThatEverythingIsAllowed) {
  PolicyRig rig;
  rig.issuer.applied_policy->mutable_version()->set_allows_all(true);
  EXPECT_EQ(rig.Run({"policy", "apply", rig.directory}), 0);
  EXPECT_NE(rig.out().find("EVERYTHING"), std::string::npos);
}

TEST(PolicyRollback, NamesAnEarlierVersion) {
  PolicyRig rig;
  EXPECT_EQ(rig.Run({"policy", "rollback", "1"}), 0) << rig.err();
  EXPECT_EQ(rig.issuer.policy_applies.back().rollback_to(), 1U);
  EXPECT_TRUE(rig.issuer.policy_applies.back().content_case() ==
              admin::v1::ApplyPolicyRequest::kRollbackTo);
  EXPECT_EQ(rig.Run({"policy", "rollback"}), 2);
}

TEST(PolicyShow, WritesADirectoryThatReadsBackTheSame) {
  PolicyRig rig;
  const std::string copy = rig.directory + "/copy";
  EXPECT_EQ(rig.Run({"policy", "show", "3", "--write", copy}), 0) << rig.err();
  EXPECT_EQ(rig.issuer.asked_policy.version(), 3U);
  EXPECT_EQ(ReadPolicyFiles(copy).value().bundle, rig.Bundle());
  // What is there already is somebody's.
  EXPECT_EQ(rig.Run({"policy", "show", "--write", copy, "-o", "json"}), 1);
  EXPECT_EQ(rig.ErrorJson()["code"], "policy-directory");
}

TEST(PolicyShow, PrintsAllFiles) {
  PolicyRig rig;
  EXPECT_EQ(rig.Run({"policy", "show"}), 0);
  EXPECT_FALSE(rig.issuer.asked_policy.has_version());
  EXPECT_NE(rig.out().find("### issuance.rego\npackage lodekey.issuance\n"), std::string::npos);
  EXPECT_NE(rig.out().find("### data.json\n"), std::string::npos);
}

TEST(PolicyTest, FailsWithTheTestThatFails) {
  PolicyRig rig;
  rig.issuer.checked = admin::v1::CheckPolicyResponse();
  auto& good = *rig.issuer.checked->add_tests();
  good.set_name("data.t.test_a");
  good.set_passed(true);
  EXPECT_EQ(rig.Run({"policy", "test", rig.directory}), 0);
  EXPECT_TRUE(rig.issuer.asked_check.run_tests());
  EXPECT_EQ(rig.out(), "1 passed, 0 failed\n");
  auto& bad = *rig.issuer.checked->add_tests();
  bad.set_name("data.t.test_b");
  bad.set_message("undefined");
  EXPECT_EQ(rig.Run({"policy", "test", rig.directory}), 1);
  EXPECT_EQ(rig.out(), "FAIL  data.t.test_b: undefined\n1 passed, 1 failed\n");
}

TEST(PolicyCheck, TellsWhereThePolicyIsWrong) {
  PolicyRig rig;
  rig.issuer.checked = Fail(Code::kInvalidArgument, "issuance.rego:12:5: unexpected ')'",
                            {.name = "policy-invalid"});
  EXPECT_NE(rig.Run({"policy", "check", rig.directory}), 0);
  EXPECT_NE(rig.err().find("issuance.rego:12:5"), std::string::npos);
  EXPECT_NE(rig.err().find("[policy-invalid]"), std::string::npos);
}

TEST(PolicyEval, EndsAsThePolicyDecides) {
  PolicyRig rig;
  rig.Write("input.json", R"({"point":"issuance"})");
  rig.issuer.evaluated = admin::v1::EvaluatePolicyResponse();
  *rig.issuer.evaluated->mutable_decision() = Denied("site-required");
  EXPECT_EQ(rig.Run({"policy", "eval", "--input", rig.directory + "/input.json"}), 4);
  EXPECT_EQ(rig.issuer.asked_evaluation.point(), "issuance");
  EXPECT_FALSE(rig.issuer.asked_evaluation.has_bundle());
  EXPECT_NE(rig.out().find("deny: site-required"), std::string::npos);
  EXPECT_NE(rig.out().find("What to do: Ask the owner."), std::string::npos);
  *rig.issuer.evaluated->mutable_decision() = Allowed();
  EXPECT_EQ(rig.Run({"policy", "eval", "--decision", "00ff", "-o", "json"}), 0);
  EXPECT_EQ(rig.issuer.asked_evaluation.input_digest(), std::string("\x00\xff", 2));
  EXPECT_EQ(rig.Json()["decision"]["allowed"], true);
}

TEST(PolicyEval, AsksForOneInput) {
  PolicyRig rig;
  EXPECT_EQ(rig.Run({"policy", "eval"}), 2);
  EXPECT_EQ(rig.Run({"policy", "eval", "--input", "a", "--decision", "00"}), 2);
  EXPECT_EQ(rig.Run({"policy", "eval", "--decision", "no"}), 2);
}

TEST(PolicyPlan, ListsWhatWouldChange) {
  PolicyRig rig;
  rig.issuer.plan = admin::v1::PlanPolicyResponse();
  rig.issuer.plan->set_base_version(3);
  rig.issuer.plan->set_decisions(10);
  rig.issuer.plan->set_same(8);
  rig.issuer.plan->set_nodes_active(4);
  rig.issuer.plan->set_nodes_judged(4);
  rig.issuer.plan->set_nodes_cut_off(1);
  auto& change = *rig.issuer.plan->add_changes();
  change.set_point("issuance");
  change.set_node(std::string(64, 'a'));
  change.set_entry("e1");
  change.set_count(2);
  *change.mutable_before() = Allowed();
  *change.mutable_after() = Denied("site-required");
  EXPECT_EQ(rig.Run({"policy", "plan", rig.directory, "--since", "2h"}), 0) << rig.err();
  EXPECT_EQ(rig.issuer.asked_plan.since_unix_ms(), kNowMs - 2 * 3600 * 1000);
  EXPECT_NE(rig.out().find("8 as before, 2 otherwise"), std::string::npos);
  EXPECT_NE(rig.out().find("deny: site-required"), std::string::npos);
  EXPECT_NE(rig.out().find("1 of 4 active nodes (25 %)"), std::string::npos);
  EXPECT_NE(rig.out().find("--base 3"), std::string::npos);
  EXPECT_EQ(rig.Run({"policy", "plan", rig.directory, "--detailed-exitcode", "-o", "json"}), 10);
  EXPECT_EQ(rig.Json()["changes"][0]["after"]["reasons"][0]["code"], "site-required");
}

TEST(PolicyPlan, SaysWhatItCannotJudgeAndWhatItTakesToApply) {
  PolicyRig rig;
  rig.issuer.plan = admin::v1::PlanPolicyResponse();
  rig.issuer.plan->set_nodes_active(4);
  rig.issuer.plan->set_nodes_judged(4);
  EXPECT_EQ(rig.Run({"policy", "plan", rig.directory}), 0) << rig.err();
  EXPECT_EQ(rig.out().find("cannot be judged"), std::string::npos);
  EXPECT_EQ(rig.out().find("--yes-lock-out"), std::string::npos);
  rig.issuer.plan->set_nodes_judged(1);
  rig.issuer.plan->set_nodes_cut_off(1);
  rig.issuer.plan->set_locks_out(true);
  EXPECT_EQ(rig.Run({"policy", "plan", rig.directory}), 0) << rig.err();
  EXPECT_NE(rig.out().find("3 more cannot be judged"), std::string::npos);
  EXPECT_NE(rig.out().find("--base 0 --yes-lock-out"), std::string::npos);
  EXPECT_EQ(rig.Run({"policy", "plan", rig.directory, "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["nodes_judged"], 1);
  EXPECT_EQ(rig.Json()["locks_out"], true);
}

TEST(PolicyHistory, ShowsWhoAppliedWhatAndWhy) {
  PolicyRig rig;
  rig.issuer.policies = admin::v1::ListPoliciesResponse();
  auto& applied = *rig.issuer.policies->add_versions();
  applied.set_version(2);
  applied.set_applied_by("uid 0");
  applied.set_applied_unix_ms(kNowMs);
  applied.set_digest(std::string(32, 'x'));
  applied.set_note("CHG-7");
  applied.set_rolled_back_to(1);
  rig.issuer.policies->add_versions()->set_note("as shipped");
  EXPECT_EQ(rig.Run({"policy", "history"}), 0);
  EXPECT_NE(rig.out().find("CHG-7; back to 1"), std::string::npos);
  EXPECT_NE(rig.out().find("0 (as shipped)"), std::string::npos);
}

// RFC 8032, 7.1, test 1, as PKCS#8.
constexpr const char* kKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

TEST(PolicySign, SignsWhatApplySends) {
  PolicyRig rig;
  rig.Write("policy.key", kKey);
  EXPECT_EQ(rig.Run({"policy", "sign", "--key", rig.directory + "/policy.key", "--version", "7",
                     rig.directory}),
            0)
      << rig.err();
  const auto files = ReadPolicyFiles(rig.directory).value();
  ASSERT_TRUE(files.signature);
  EXPECT_EQ(files.signature->version, 7U);
  EXPECT_TRUE(attest::VerifyPolicy(files.bundle, *files.signature));
  EXPECT_EQ(rig.Run({"policy", "apply", rig.directory}), 0);
  EXPECT_EQ(rig.issuer.policy_applies.back().signature().version(), 7U);
  // Another version, another content: another signature.
  auto other = *files.signature;
  other.version = 8;
  EXPECT_FALSE(attest::VerifyPolicy(files.bundle, other));
  rig.Write("data.json", "{}");
  EXPECT_FALSE(attest::VerifyPolicy(rig.Bundle(), *files.signature));
}

TEST(PolicySign, RefusesWhatIsNoKey) {
  PolicyRig rig;
  rig.Write("policy.key", "no key");
  EXPECT_NE(rig.Run({"policy", "sign", "--key", rig.directory + "/policy.key", "--version", "1",
                     rig.directory}),
            0);
  EXPECT_NE(rig.err().find("[policy-key]"), std::string::npos);
  EXPECT_EQ(rig.Run({"policy", "sign", "--key", rig.directory + "/policy.key", "--version", "0",
                     rig.directory}),
            2);
}

}  // namespace
}  // namespace lodekey::cli
