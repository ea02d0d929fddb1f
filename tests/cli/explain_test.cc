#include "cli/explain.h"

#include <gtest/gtest.h>

#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

using verdict::v1::Verdict;

Verdict Judged(Verdict::Outcome outcome) {
  Verdict verdict;
  verdict.set_outcome(outcome);
  verdict.set_judged_unix_ms(kNowMs);
  return verdict;
}

void AddRule(Verdict& verdict, const std::string& code) {
  auto& rule = *verdict.add_failed();
  rule.set_code(code);
  rule.set_subject("PCR 8 (sha256)");
  rule.set_expected("3f2a" + std::string(60, '0'));
  rule.set_seen("9c01" + std::string(60, '0'));
  rule.set_accept("Reboot the host.");
}

TEST(Explain, SaysWhenItWasAcceptedAndWhenItIsJudgedNext) {
  EXPECT_EQ(ExplainVerdict(Judged(Verdict::ACCEPTED), {.next_attest_unix_ms = kNowMs + 1000}),
            "At 2026-06-01T00:00:00.000Z the issuer accepted this host: every rule was satisfied. "
            "It attests next at 2026-06-01T00:00:01.000Z.\n");
  EXPECT_EQ(ExplainVerdict(Judged(Verdict::ACCEPTED), {.who = "node ab"}),
            "At 2026-06-01T00:00:00.000Z the issuer accepted node ab: every rule was satisfied.\n");
}

TEST(Explain, SaysThatAVerdictCannotBeRead) {
  Verdict verdict;
  EXPECT_EQ(ExplainVerdict(verdict, {}), "The issuer has not judged this host yet.\n");
  EXPECT_TRUE(VerdictJson(verdict).empty());
  auto& rule = *verdict.add_failed();
  rule.set_code("verdict-unreadable");
  rule.set_seen("7 bytes");
  EXPECT_EQ(ExplainVerdict(verdict, {.who = "node ab"}),
            "The issuer cannot say what it last found of node ab.\n"
            "\n"
            "1. What the issuer stored as the last verdict cannot be read: 7 bytes.\n"
            "   Code:     verdict-unreadable\n"
            "   Seen:     7 bytes\n");
  EXPECT_EQ(VerdictJson(verdict)["outcome"], "none");
}

TEST(Explain, GivesEachFailedRuleAParagraphWithItsRemedy) {
  Verdict verdict = Judged(Verdict::NODE_REFUSED);
  AddRule(verdict, "pcr-changed-in-boot");
  AddRule(verdict, "pcr-not-approved");
  const std::string expected = "3f2a" + std::string(60, '0');
  const std::string seen = "9c01" + std::string(60, '0');
  EXPECT_EQ(ExplainVerdict(verdict, {}),
            "At 2026-06-01T00:00:00.000Z the issuer refused this host: its identity is withdrawn.\n"
            "\n"
            "1. PCR 8 (sha256) changed while the host was running: it was 3f2a0000…, it is now "
            "9c010000….\n"
            "   What would accept it: Reboot the host.\n"
            "   Code:     pcr-changed-in-boot\n"
            "   Expected: " +
                expected + "\n   Seen:     " + seen +
                "\n"
                "\n"
                "2. PCR 8 (sha256) has a value that is not approved: accepted is 3f2a0000…, it is "
                "9c010000….\n"
                "   What would accept it: Reboot the host.\n"
                "   Code:     pcr-not-approved\n"
                "   Expected: " +
                expected + "\n   Seen:     " + seen + "\n");
}

TEST(Explain, TellsTheConsequenceOfEachOutcome) {
  const auto opening = [](Verdict::Outcome outcome) { return ExplainVerdict(Judged(outcome), {}); };
  EXPECT_NE(opening(Verdict::MESSAGE_REFUSED).find("its identity is as it was"), std::string::npos);
  EXPECT_NE(opening(Verdict::ENROL_AGAIN).find("enrols again by itself"), std::string::npos);
  EXPECT_NE(opening(Verdict::NODE_QUARANTINED).find("an operator has to look"), std::string::npos);
}

TEST(Explain, SaysThatThereIsNoVerdictYet) {
  EXPECT_EQ(ExplainVerdict({}, {}), "The issuer has not judged this host yet.\n");
}

TEST(Explain, EscapesWhatTheIssuerSent) {
  Verdict verdict = Judged(Verdict::NODE_REFUSED);
  AddRule(verdict, "\x1b]0;code\x07");
  verdict.mutable_failed(0)->set_accept("run\nthis");
  const std::string text = ExplainVerdict(verdict, {});
  EXPECT_EQ(text.find('\x1b'), text.npos);
  EXPECT_NE(text.find("run\\nthis"), text.npos);
}

TEST(VerdictJson, HasEveryRuleWithItsSentence) {
  Verdict verdict = Judged(Verdict::NODE_REFUSED);
  AddRule(verdict, "pcr-changed-in-boot");
  auto& fact = *verdict.add_facts();
  fact.set_name("boot-log");
  fact.set_value("absent");
  fact.set_grade("recorded");
  const Json json = VerdictJson(verdict);
  EXPECT_EQ(json["outcome"], "node-refused");
  EXPECT_EQ(json["judged"], "2026-06-01T00:00:00.000Z");
  ASSERT_EQ(json["failed"].size(), 1u);
  EXPECT_EQ(json["failed"][0]["code"], "pcr-changed-in-boot");
  EXPECT_EQ(json["failed"][0]["accept"], "Reboot the host.");
  EXPECT_EQ(json["failed"][0]["seen"], "9c01" + std::string(60, '0'));
  EXPECT_FALSE(json["failed"][0]["sentence"].get<std::string>().empty());
  EXPECT_EQ(json["facts"][0]["grade"], "recorded");
}

TEST(VerdictJson, IsNullWithoutAVerdict) { EXPECT_TRUE(VerdictJson({}).is_null()); }

TEST(ExplainCommand, TellsTheAgentsLastVerdictOnce) {
  CommandRig rig;
  rig.agent.status = RefusedStatus();
  EXPECT_EQ(rig.Run({"explain"}), 0);
  EXPECT_NE(rig.out().find("1. PCR 8 (sha256) changed"), std::string::npos);
  EXPECT_EQ(rig.out().find("The last problem"), std::string::npos);
}

// As after `lodekey node remove`.
TEST(ExplainCommand, TellsTheProblemBeforeTheVerdictThatItOvertook) {
  CommandRig rig;
  auto status = EnrolledStatus();
  status.set_phase("refused");
  status.clear_spiffe_id();
  status.mutable_problem()->set_code("node-removed");
  status.mutable_problem()->set_text("this host was removed");
  status.mutable_problem()->set_advice("Ask for: lodekey node allow");
  rig.agent.status = status;
  EXPECT_EQ(rig.Run({"explain"}), 0);
  EXPECT_EQ(
      rig.out(),
      "The issuer refused this host; it has no identity.\n"
      "The last problem: this host was removed. [node-removed]\n"
      "  What to do: Ask for: lodekey node allow\n"
      "\n"
      "Before that, at 2026-05-31T23:59:00.000Z the issuer accepted this host: every rule was "
      "satisfied.\n");
  const std::string text = rig.out();
  EXPECT_EQ(rig.Run({"explain", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["text"], text);
}

TEST(ExplainCommand, SaysHowAnUnenrolledHostComesBack) {
  CommandRig rig;
  agent::v1::Status status;
  status.set_phase("unenrolled");
  rig.agent.status = status;
  EXPECT_EQ(rig.Run({"explain"}), 0);
  EXPECT_NE(rig.out().find("What to do: lodekey enroll"), std::string::npos) << rig.out();
}

TEST(ExplainCommand, AddsAProblemThatIsNotTheVerdict) {
  CommandRig rig;
  auto status = EnrolledStatus();
  status.mutable_problem()->set_code("issuer-unreachable");
  status.mutable_problem()->set_text("no answer from the issuer");
  status.mutable_problem()->set_advice("Check the network.");
  rig.agent.status = status;
  EXPECT_EQ(rig.Run({"explain"}), 0);
  EXPECT_NE(rig.out().find("accepted this host"), std::string::npos);
  EXPECT_NE(rig.out().find("no answer from the issuer"), std::string::npos);
  EXPECT_NE(rig.out().find("What to do: Check the network."), std::string::npos);
}

TEST(ExplainCommand, AsksTheIssuerAboutANode) {
  CommandRig rig;
  admin::v1::Node node;
  node.set_id(std::string(64, 'b'));
  node.set_standing("quarantined");
  node.mutable_last_verdict()->set_outcome(Verdict::NODE_QUARANTINED);
  rig.issuer.node = node;
  EXPECT_EQ(rig.Run({"explain", "--node", "bbbbbbbb", "-o", "json"}), 0);
  EXPECT_EQ(rig.issuer.asked, "bbbbbbbb");
  EXPECT_EQ(rig.Json()["schema"], 1);
  EXPECT_EQ(rig.Json()["standing"], "quarantined");
  EXPECT_EQ(rig.Json()["verdict"]["outcome"], "node-quarantined");
}

TEST(ExplainCommand, SaysOfARemovedNodeThatItWasAcceptedBefore) {
  CommandRig rig;
  admin::v1::Node node;
  node.set_id(std::string(64, 'b'));
  node.set_standing("removed");
  *node.mutable_last_verdict() = Judged(Verdict::ACCEPTED);
  rig.issuer.node = node;
  EXPECT_EQ(rig.Run({"explain", "--node", "bbbbbbbb"}), 0);
  EXPECT_NE(rig.out().find("was removed"), std::string::npos);
  EXPECT_NE(rig.out().find("Before that, at 2026-06-01T00:00:00.000Z the issuer accepted"),
            std::string::npos)
      << rig.out();
}

TEST(ExplainCommand, TakesNoShorterPrefixThanTheIssuer) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"explain", "--node", "4aff076"}), 2);
  EXPECT_NE(rig.err().find("8 digits or more"), std::string::npos) << rig.err();
  EXPECT_EQ(rig.issuer.asked, "");
}

}  // namespace
}  // namespace lodekey::cli
