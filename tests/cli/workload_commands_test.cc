#include <gtest/gtest.h>

#include "cli/workload_view.h"
#include "tests/cli/fakes.h"

namespace lodekey::cli {
namespace {

// A web server that matches one entry of two.
agent::v1::Workload WebServer() {
  agent::v1::Workload workload;
  workload.set_pid(4711);
  for (const char* selector : {"unix:uid:33", "unix:user:www-data", "unix:path:/usr/sbin/nginx"}) {
    auto* graded = workload.add_selectors();
    graded->set_selector(selector);
    graded->set_grade("observed");
  }
  workload.set_entries_known(true);
  auto* match = workload.add_entries();
  match->mutable_entry()->set_id("e-web");
  match->mutable_entry()->set_spiffe_id("spiffe://e.example/web");
  match->mutable_entry()->add_selectors("unix:uid:33");
  match->set_not_after_unix_ms(kNowMs);
  auto* near = workload.add_entries();
  near->mutable_entry()->set_id("e-admin");
  near->mutable_entry()->set_spiffe_id("spiffe://e.example/admin");
  near->mutable_entry()->add_selectors("unix:uid:33");
  near->mutable_entry()->add_selectors("unix:path:/usr/sbin/apache2");
  near->add_missing("unix:path:/usr/sbin/apache2");
  auto* far = workload.add_entries();
  far->mutable_entry()->set_id("e-far");
  far->mutable_entry()->set_spiffe_id("spiffe://e.example/far");
  far->mutable_entry()->add_selectors("unix:uid:9");
  far->add_missing("unix:uid:9");
  return workload;
}

TEST(WorkloadInspect, ShowsEverySelectorWithItsGrade) {
  CommandRig rig;
  rig.agent.workload = WebServer();
  rig.agent.workload->add_remarks("No digest can be vouched for");
  EXPECT_EQ(rig.Run({"workload", "inspect", "--pid", "4711"}), 0);
  EXPECT_EQ(rig.agent.inspected, 4711);
  EXPECT_NE(rig.out().find("unix:path:/usr/sbin/nginx  observed"), std::string::npos) << rig.out();
  EXPECT_NE(rig.out().find("No digest can be vouched for."), std::string::npos) << rig.out();
  EXPECT_NE(rig.out().find("e-web"), std::string::npos);
  EXPECT_EQ(rig.out().find("e-admin"), std::string::npos) << "it does not match";
  EXPECT_EQ(rig.Run({"workload", "inspect", "--pid", "4711", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json().at("selectors").at(0),
            (nlohmann::json{{"selector", "unix:uid:33"}, {"grade", "observed"}}));
  EXPECT_EQ(rig.Json().at("entries").at(1).at("missing").at(0), "unix:path:/usr/sbin/apache2");
}

TEST(WorkloadInspect, NeedsAProcess) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"workload", "inspect"}), 2);
  EXPECT_EQ(rig.Run({"workload", "inspect", "--pid", "0"}), 2);
  EXPECT_EQ(rig.Run({"workload", "inspect", "--pid", "x"}), 2);
}

TEST(ExplainProcess, SaysWhatItGetsAndWhatItLacks) {
  CommandRig rig;
  rig.agent.workload = WebServer();
  EXPECT_EQ(rig.Run({"explain", "--pid", "4711"}), 0);
  EXPECT_EQ(rig.out(),
            "Process 4711 gets 1 identity:\n"
            "  spiffe://e.example/web\n"
            "    by entry e-web; held, valid until 2026-06-01T00:00:00.000Z\n"
            "It nearly matches:\n"
            "  spiffe://e.example/admin (entry e-admin): it lacks unix:path:/usr/sbin/apache2\n");
}

TEST(ExplainProcess, SaysWhatTheIssuerRefusedAndByWhichReasons) {
  CommandRig rig;
  rig.agent.workload = WebServer();
  auto& refused = *rig.agent.workload->mutable_entries(0)->add_refused();
  refused.set_kind("jwt");
  refused.add_audiences("db");
  refused.add_scopes("write");
  refused.set_task("backup");
  refused.set_refused_unix_ms(kNowMs);
  refused.mutable_refusal()->set_code("outside-hours");
  auto& decision = *refused.mutable_refusal()->mutable_decision();
  decision.set_policy_version(3);
  decision.set_rule("deny");
  auto* reason = decision.add_reasons();
  reason->set_code("outside-hours");
  reason->set_text("writing is not allowed at night");
  reason->set_accept("Ask again after 06:00.");
  reason = decision.add_reasons();
  reason->set_code("site");
  reason->set_subject("label site");
  reason->set_expected("berlin");
  reason->set_seen("oslo");
  EXPECT_EQ(rig.Run({"explain", "--pid", "4711"}), 0);
  EXPECT_NE(rig.out().find(
                "    the issuer refused it a JWT-SVID for db, scope write, task backup at "
                "2026-06-01T00:00:00.000Z: writing is not allowed at night. [outside-hours] Ask "
                "again after 06:00.\n"
                "      and: label site: expected berlin, seen oslo. [site]\n"
                "      by rule deny of policy version 3\n"),
            std::string::npos)
      << rig.out();
  EXPECT_EQ(rig.Run({"workload", "inspect", "--pid", "4711", "-o", "json"}), 0);
  const auto json = rig.Json().at("entries").at(0).at("refused").at(0);
  EXPECT_EQ(json.at("scopes"), nlohmann::json::array({"write"}));
  EXPECT_EQ(json.at("decision").at("reasons").at(1).at("seen"), "oslo");
  EXPECT_TRUE(rig.Json().at("entries").at(1).at("refused").empty());
}

TEST(ExplainProcess, SaysThatThereIsNone) {
  CommandRig rig;
  rig.agent.workload = WebServer();
  rig.agent.workload->mutable_entries()->DeleteSubrange(0, 1);
  EXPECT_EQ(rig.Run({"explain", "--pid", "4711"}), 0);
  EXPECT_TRUE(rig.out().starts_with(
      "Process 4711 gets no identity: none of the 2 entries of this host matches it.\n"))
      << rig.out();
  rig.agent.workload->clear_entries();
  EXPECT_EQ(rig.Run({"explain", "--pid", "4711"}), 0);
  EXPECT_NE(rig.out().find("lodekey entry suggest --pid 4711"), std::string::npos) << rig.out();
}

TEST(ExplainProcess, SaysWhyTheHostGivesNothingOut) {
  CommandRig rig;
  rig.agent.workload = WebServer();
  rig.agent.workload->mutable_problem()->set_code("node-refused");
  rig.agent.workload->mutable_problem()->set_text("the issuer refuses this host");
  EXPECT_EQ(rig.Run({"explain", "--pid", "4711"}), 0);
  EXPECT_TRUE(
      rig.out().starts_with("This host gives no identity out: the issuer refuses this "
                            "host. [node-refused]\n"))
      << rig.out();
}

TEST(ExplainProcess, SaysWhichEntriesCannotBeUsed) {
  CommandRig rig;
  rig.agent.workload = WebServer();
  auto* unusable = rig.agent.workload->add_unusable();
  unusable->set_entry_id("e-site");
  unusable->set_code("label-missing");
  unusable->set_text("the node has no label 'site'");
  rig.Run({"explain", "--pid", "4711"});
  EXPECT_NE(rig.out().find("Entry e-site cannot be used on this host: the node has no label "
                           "'site'. [label-missing]\n"),
            std::string::npos)
      << rig.out();
  EXPECT_EQ(rig.Run({"explain", "--pid", "1", "--node", "abcdef0123"}), 2);
}

TEST(SuggestedEntry, NamesUserAndProgram) {
  const auto suggestion = SuggestEntry(WebServer(), "abcd", "e.example");
  ASSERT_TRUE(suggestion);
  EXPECT_EQ(SuggestionText(*suggestion),
            "lodekey entry create --spiffe-id spiffe://e.example/www-data/nginx --node abcd "
            "--selector unix:uid:33 --selector unix:path:/usr/sbin/nginx\n");
  EXPECT_EQ(SuggestionLine(*suggestion),
            R"({"spiffe_id":"spiffe://e.example/www-data/nginx","nodes":["abcd"],)"
            R"("selectors":["unix:uid:33","unix:path:/usr/sbin/nginx"]})");
}

TEST(SuggestedEntry, QuotesForTheShellAndOffersTheDigest) {
  agent::v1::Workload workload = WebServer();
  workload.mutable_selectors(2)->set_selector("unix:path:/opt/it's mine");
  auto* digest = workload.add_selectors();
  digest->set_selector("unix:sha256:" + std::string(64, 'a'));
  const std::string text = SuggestionText(SuggestEntry(workload, "abcd", "e.example").value());
  EXPECT_NE(text.find(R"(--selector 'unix:path:/opt/it'\''s mine')"), std::string::npos) << text;
  EXPECT_NE(text.find("/www-data/it-s-mine "), std::string::npos) << text;
  EXPECT_NE(text.find("add: --selector unix:sha256:aaaa"), std::string::npos) << text;
}

TEST(SuggestedEntry, IsNotMadeWhereNothingTellsUsersApart) {
  EXPECT_EQ(SuggestEntry({}, "abcd", "e.example").error().Name(), "selectors-missing");
}

}  // namespace
}  // namespace lodekey::cli
