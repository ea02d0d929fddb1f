// The life of a policy, and each example of examples/policy, with the real programs: a workload
// asks and gets its credential, or the reason why not.
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/deployment_test.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kWeb = "spiffe://e2e.example/web";

std::string Source(const std::string& path) {
  const char* source = std::getenv("LODEKEY_SOURCE");
  return (fs::path(source == nullptr ? "." : source) / path).string();
}

class PolicyEndToEnd : public DeploymentTest {
 protected:
  // An issuer whose policy has this example, and these keys of its data.json beside those that are
  // shipped. The agent is not running yet.
  void SetUpExample(const std::string& example, const json& data, bool ek_certificate = true) {
    // Evidence comes when it is asked for, not by the second as in other tests.
    SetUpWith({"attestation.interval=10m", "ca.node_ttl=1h"}, ek_certificate);
    const std::string directory = Written("policy");
    for (const auto& file : fs::directory_iterator(Source("examples/policy/" + example))) {
      if (file.path().extension() == ".rego")
        fs::copy_file(file.path(), fs::path(directory) / file.path().filename());
    }
    json all = json::parse(ReadText(directory + "/data.json"));
    all.merge_patch(data);
    Must(WriteText(directory + "/data.json", all.dump(2)));
    const Finished applied = issuer_->Admin({"policy", "apply", directory});
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
  }
  // The policy that decides now, in a new directory.
  std::string Written(const std::string& name) const {
    const std::string directory = issuer_->directory / name;
    const Finished written = issuer_->Admin({"policy", "show", "--write", directory});
    EXPECT_EQ(written.exit_code, 0) << written.err;
    return directory;
  }
  // A policy of one rule for every point.
  std::string Always(const std::string& decision, const std::string& data = "{}") const {
    const std::string directory = issuer_->directory / "always";
    fs::create_directory(directory);
    for (const char* point : {"admission", "standing", "issuance"}) {
      Must(WriteText(fmt::format("{}/{}.rego", directory, point),
                     fmt::format("package lodekey.{}\n\nimport rego.v1\n\ndecision := {}\n", point,
                                 decision)));
    }
    Must(WriteText(directory + "/data.json", data));
    return directory;
  }

  // The host enrols with these labels, and every process of this user is the workload "web".
  void EnrolWorkload(const std::vector<std::string>& labels = {}) {
    std::vector<std::string> allow = {"node", "allow", ek_};
    for (const std::string& label : labels) allow.insert(allow.end(), {"--label", label});
    ASSERT_EQ(issuer_->Admin(allow).exit_code, 0);
    agent_->Start();
    ASSERT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
    const auto created =
        issuer_->AdminJson({"entry", "create", "--spiffe-id", kWeb, "--node", ek_, "--selector",
                            fmt::format("unix:uid:{}", ::getuid()), "--jwt-audience", "*"});
    entry_ = created["entries"][0]["after"].value("id", "");
    ASSERT_FALSE(entry_.empty());
  }
  Finished Fetch(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"-o", "json", "svid", "fetch"});
    return agent_->Run(arguments);
  }
  // Until the agent has heard of the entry: "" when it was given, else the name of what kept it
  // back.
  std::string Ask(const std::vector<std::string>& arguments = {"x509"}) const {
    std::string answer;
    Eventually([&] {
      const Finished fetched = Fetch(arguments);
      answer = fetched.exit_code == 0
                   ? ""
                   : json::parse(fetched.err, nullptr, false).value("message", fetched.err);
      return answer.find("no identity") == std::string::npos || Refused();
    });
    return answer;
  }
  // Whether the issuer has refused the workload something.
  bool Refused() const { return !Audit("credential.refused").empty(); }
  json Audit(const std::string& event) const {
    return issuer_->AdminJson({"audit", "search", "--event", event})["records"];
  }
  std::string ExplainedHere() const {
    return agent_->Run({"explain", "--pid", std::to_string(::getpid())}).out;
  }
  // The codes of the last refusal, as the audit log has them.
  json RefusalCodes() const {
    const json refused = Audit("credential.refused");
    return refused.empty() ? json::array() : refused.back()["record"]["policy"]["reasons"];
  }
  void ExpectDenied(const std::string& code, const std::vector<std::string>& arguments = {"x509"}) {
    const std::string answer = Ask(arguments);
    EXPECT_NE(answer, "");
    EXPECT_EQ(RefusalCodes(), json::array({code})) << issuer_->daemon.Log();
    EXPECT_NE(ExplainedHere().find(code), std::string::npos) << ExplainedHere();
  }

  // Until what the host proved is older than 30 s, the least that a policy may ask for.
  static void AwaitOldEvidence() {
    const auto old = std::chrono::steady_clock::now() + std::chrono::seconds(31);
    std::this_thread::sleep_until(old);
  }

  std::string entry_;
};

json FreshEvidence() {
  return {{"issuance",
           {{"fresh_evidence", {{"entries", {{kWeb, 30}}}, {"audiences", json::object()}}}}}};
}

// --- the life of a policy ---

TEST_F(PolicyEndToEnd, IsPlannedAppliedRolledBackAndExplained) {
  SetUpWith();
  EnrolWorkload();
  ASSERT_EQ(Ask(), "") << agent_->daemon.Log();
  // As it is now, nothing would change.
  const json same = issuer_->AdminJson({"policy", "plan"});
  EXPECT_GT(same.value("decisions", 0), 2) << same;
  EXPECT_EQ(same["decisions"], same["same"]) << same;

  const std::string directory = Written("stricter");
  Must(WriteText(directory + "/own.rego", R"(package lodekey.issuance

import rego.v1

deny contains {"code": "no-web", "text": "no web on Sundays", "accept": "Ask the web team."} if {
	endswith(input.entry.spiffe_id, "/web")
}
)"));
  const json planned = issuer_->AdminJson({"policy", "plan", directory});
  ASSERT_EQ(planned["changes"].size(), 1u) << planned;
  EXPECT_EQ(planned["changes"][0]["after"]["reasons"][0]["code"], "no-web");
  EXPECT_EQ(planned["nodes_cut_off"], 0);
  EXPECT_EQ(issuer_->Admin({"policy", "apply", directory, "--base", "7"}).exit_code, 1);
  ASSERT_EQ(issuer_->Admin({"policy", "apply", directory, "--note", "CHG-1", "--detailed-exitcode"})
                .exit_code,
            10);
  // A token is issued anew for each audience.
  ExpectDenied("no-web", {"jwt", "--audience", "db"});
  const json refused = Audit("credential.refused").back()["record"]["policy"];
  EXPECT_EQ(refused["version"], 1);
  // What it was decided on can be looked at, and says the same again.
  EXPECT_EQ(issuer_->Admin({"policy", "eval", "--decision", refused.value("input", "")}).exit_code,
            4);

  ASSERT_EQ(issuer_->Admin({"policy", "rollback", "0"}).exit_code, 0);
  EXPECT_TRUE(Eventually([&] { return Ask({"jwt", "--audience", "db"}).empty(); }));
  const json history = issuer_->AdminJson({"policy", "history"})["versions"];
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[1]["note"], "CHG-1");
  EXPECT_EQ(Audit("policy.applied").size(), 2u);
}

TEST_F(PolicyEndToEnd, ThatDeniesEverythingIsAppliedOnlyByName) {
  SetUpWith();
  EnrolWorkload();
  ASSERT_EQ(Ask(), "");
  const std::string nothing =
      Always(R"({"allow": false, "rule": "none", "reasons": [{"code": "closed"}]})");
  const Finished refused = issuer_->Admin({"policy", "apply", nothing});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("policy-lock-out"), std::string::npos) << refused.err;
  ASSERT_EQ(issuer_->Admin({"policy", "apply", nothing, "--yes-lock-out"}).exit_code, 0);
  ExpectDenied("closed", {"jwt", "--audience", "db"});
  EXPECT_EQ(agent_->Run({"attest"}).exit_code, 4);
  EXPECT_EQ(Standing(), "refused");
  const Finished explained = agent_->Run({"explain"});
  EXPECT_NE(explained.out.find("closed"), std::string::npos) << explained.out;
}

TEST_F(PolicyEndToEnd, ThatAllowsEverythingHasToSaySo) {
  SetUpWith();
  const std::string decision = R"({"allow": true, "rule": "all"})";
  const Finished refused = issuer_->Admin({"policy", "apply", Always(decision)});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_NE(refused.err.find("policy-allows-all"), std::string::npos) << refused.err;
  fs::remove_all(issuer_->directory / "always");
  ASSERT_EQ(issuer_
                ->Admin({"policy", "apply",
                         Always(decision, R"({"lodekey": {"unsafe_allow_all": true}})")})
                .exit_code,
            0);
  // Nobody allowed this host.
  agent_->Start();
  EXPECT_TRUE(agent_->WaitForPhase("enrolled")) << agent_->daemon.Log() << issuer_->daemon.Log();
}

// --- examples ---

TEST_F(PolicyEndToEnd, FreshEvidenceIsMadeWhereItIsAskedFor) {
  SetUpExample("fresh-evidence", FreshEvidence());
  EnrolWorkload();
  ASSERT_EQ(Ask({"jwt", "--audience", "one"}), "") << agent_->daemon.Log();
  const size_t attested = Audit("node.attested").size();
  const auto evidence_time = [&] {
    return issuer_->AdminJson({"node", "show", ek_})["node"].value("evidence_time", "");
  };
  const std::string before = evidence_time();
  AwaitOldEvidence();
  ASSERT_EQ(Audit("node.attested").size(), attested) << "nobody asked for evidence meanwhile";
  EXPECT_EQ(Ask({"jwt", "--audience", "two"}), "") << agent_->daemon.Log();
  EXPECT_EQ(Audit("node.attested").size(), attested + 1);
  EXPECT_NE(evidence_time(), before);
}

TEST_F(PolicyEndToEnd, FreshEvidenceOfAChangedHostGivesNothing) {
  SetUpExample("fresh-evidence", FreshEvidence());
  EnrolWorkload();
  ASSERT_EQ(Ask({"jwt", "--audience", "one"}), "") << agent_->daemon.Log();
  ExtendPcr(8);
  AwaitOldEvidence();
  EXPECT_NE(Ask({"jwt", "--audience", "two"}), "");
  EXPECT_EQ(Standing(), "refused");
}

TEST_F(PolicyEndToEnd, AssuranceLetsAHostWithAVendorsCertificateHaveTheEntry) {
  SetUpExample("assurance", {{"issuance", {{"hardware_only", {kWeb}}}}});
  EnrolWorkload();
  EXPECT_EQ(Ask(), "") << agent_->daemon.Log();
}

TEST_F(PolicyEndToEnd, AssuranceKeepsTheEntryFromAHostWithoutOne) {
  SetUpExample("assurance", {{"issuance", {{"hardware_only", {kWeb}}}}}, /*ek_certificate=*/false);
  EnrolWorkload();
  ExpectDenied("assurance-too-low");
}

json Networks(const std::string& range) {
  return {{"issuance", {{"site_networks", {{"berlin", {range}}}}}}};
}

TEST_F(PolicyEndToEnd, SiteAndNetworkLetAHostAskFromItsSite) {
  SetUpExample("site-and-network", Networks("127.0.0.0/8"));
  EnrolWorkload({"site=berlin"});
  EXPECT_EQ(Ask(), "") << agent_->daemon.Log();
}

TEST_F(PolicyEndToEnd, SiteAndNetworkRefuseAHostFromElsewhere) {
  SetUpExample("site-and-network", Networks("192.0.2.0/24"));
  EnrolWorkload({"site=berlin"});
  ExpectDenied("network-not-allowed");
}

TEST_F(PolicyEndToEnd, SiteAndNetworkRefuseAHostWithoutASite) {
  SetUpExample("site-and-network", Networks("127.0.0.0/8"));
  EnrolWorkload();
  ExpectDenied("site-unknown");
}

// Every day but those that today, tomorrow (the test may run at midnight) and yesterday (a window
// may go on into today) are; or these.
json Window(bool now) {
  constexpr std::array kDays = {"sunday",   "monday", "tuesday", "wednesday",
                                "thursday", "friday", "saturday"};
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const unsigned weekday = std::chrono::weekday(today).c_encoding();
  json days = json::array();
  for (unsigned day = 0; day < kDays.size(); ++day) {
    const unsigned ahead = (day + 7 - weekday) % 7;
    const bool near = ahead <= 1 || ahead == 6;
    if (near == now) days.push_back(kDays[day]);
  }
  return {{"issuance", {{"time_windows", {{kWeb, {{{"days", days}, {"from", 0}, {"to", 24}}}}}}}}};
}

TEST_F(PolicyEndToEnd, TimeWindowGivesTheEntryInItsHours) {
  SetUpExample("time-window", Window(/*now=*/true));
  EnrolWorkload();
  EXPECT_EQ(Ask(), "") << agent_->daemon.Log();
}

TEST_F(PolicyEndToEnd, TimeWindowKeepsTheEntryOutsideOfItsHours) {
  SetUpExample("time-window", Window(/*now=*/false));
  EnrolWorkload();
  ExpectDenied("outside-time-window");
}

TEST_F(PolicyEndToEnd, DestinationAndActionGiveTheTokensOfTheTable) {
  SetUpExample("destination-and-action",
               {{"issuance", {{"destinations", {{kWeb, {{"db", {"read"}}}}}}}}});
  EnrolWorkload();
  EXPECT_EQ(Ask({"jwt", "--audience", "db", "--scope", "read", "--task", "report-7"}), "")
      << agent_->daemon.Log();
  ExpectDenied("scope-not-allowed", {"jwt", "--audience", "db", "--scope", "write"});
}

TEST_F(PolicyEndToEnd, DestinationAndActionRefuseAnotherService) {
  SetUpExample("destination-and-action",
               {{"issuance", {{"destinations", {{kWeb, {{"db", {"read"}}}}}}}}});
  EnrolWorkload();
  ExpectDenied("destination-not-allowed", {"jwt", "--audience", "bank"});
}

}  // namespace
}  // namespace lodekey::test
