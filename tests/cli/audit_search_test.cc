#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/audit_filter.h"
#include "platform/file.h"
#include "tests/cli/fakes.h"
#include "tests/cli/sample_log.h"
#include "tests/platform/scratch.h"

namespace lodekey::cli {
namespace {

const std::string kNode(64, 'a');
const std::string kOther(64, 'b');
const std::string kInput(64, '1');

// Six records, an hour apart, the last one an hour before now.
Log SampleLog() {
  Log log;
  const auto add = [&](int hours_ago, const std::string& rest) {
    const Time time = Time(Duration(kNowMs)) - std::chrono::hours(hours_ago);
    log.Add(fmt::format(R"({{"time":"{}",{}}})", FormatTime(time), rest));
  };
  add(6, R"("event":"intermediate.issued","serial":"01")");
  add(5, fmt::format(R"("event":"node.allowed","actor":"uid 0","node":"{}","detail":"site=fra1")",
                     kNode));
  add(4,
      fmt::format(R"("event":"node.refused","node":"{}","failed":[{{"code":"pcr-not-approved"}}])",
                  kNode));
  add(3, fmt::format(
             R"("event":"credential.issued","node":"{}","entry":"0190b2c4","policy":{{"version":3,)"
             R"("rule":"lodekey.issuance","reasons":[],"input":"{}"}})",
             kNode, kInput));
  add(2,
      fmt::format(R"("event":"issuance.denied","node":"{}","policy":{{"version":3,"rule":"night",)"
                  R"("reasons":["after-hours"],"input":"{}"}})",
                  kOther, kInput));
  add(1, R"("event":"entry.created","actor":"uid 7","entry":"0190b2c5")");
  return log;
}

class AuditSearch : public testing::Test {
 protected:
  int Run(std::vector<std::string> more) {
    std::vector<std::string> arguments{"audit", "search", path_, "--key",
                                       ToHex(AuditKey().public_key())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return rig_.Run(arguments);
  }
  std::vector<int> Found(std::vector<std::string> more) {
    more.insert(more.end(), {"-o", "json"});
    EXPECT_EQ(Run(more), 0) << rig_.err();
    std::vector<int> numbers;
    const auto json = rig_.Json();
    for (const auto& record : json["records"]) numbers.push_back(record["seq"]);
    return numbers;
  }

  platform::ScratchDir scratch_;
  std::string path_ = scratch_.Write("audit.jsonl", SampleLog().Text());
  CommandRig rig_;
};

using Numbers = std::vector<int>;

TEST_F(AuditSearch, FindsWhatIsAskedFor) {
  EXPECT_EQ(Found({}), (Numbers{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(Found({"--node", kNode}), (Numbers{2, 3, 4}));
  EXPECT_EQ(Found({"--node", kNode.substr(0, 8)}), (Numbers{2, 3, 4}));
  EXPECT_EQ(Found({"--node", "spiffe://fleet.example/node/" + kOther}), Numbers{5});
  EXPECT_EQ(Found({"--event", "node.allowed", "--event", "entry.created"}), (Numbers{2, 6}));
  EXPECT_EQ(Found({"--code", "pcr-not-approved"}), Numbers{3});
  EXPECT_EQ(Found({"--code", "after-hours"}), Numbers{5});
  EXPECT_EQ(Found({"--code", "after"}), Numbers{}) << "whole codes";
  EXPECT_EQ(Found({"--entry", "0190b2c4"}), Numbers{4});
  EXPECT_EQ(Found({"--actor", "uid 7"}), Numbers{6});
  EXPECT_EQ(Found({"--actor", "uid 0", "--node", kNode}), Numbers{2});
  EXPECT_EQ(Found({"--since", "3h"}), (Numbers{4, 5, 6}));
  EXPECT_EQ(Found({"--since", "2026-05-31T20:00:00Z", "--until", "2h"}), (Numbers{3, 4}));
}

TEST_F(AuditSearch, ShowsThePolicysWordAsItIs) {
  Found({"--code", "after-hours"});
  EXPECT_EQ(rig_.Json()["records"][0]["record"]["policy"]["rule"], "night");
  EXPECT_EQ(rig_.Json()["records"][0]["record"]["policy"]["input"], kInput);
  EXPECT_EQ(Run({"--code", "after-hours"}), 0);
  EXPECT_EQ(
      rig_.out(),
      "SEQ  TIME                      EVENT            NODE              WHAT\n"
      "5    2026-05-31T22:00:00.000Z  issuance.denied  bbbbbbbbbbbbbbbb  after-hours, night\n");
}

TEST_F(AuditSearch, KeepsTheNewestAndSaysHowManyThereAre) {
  EXPECT_EQ(Found({"--limit", "2"}), (Numbers{5, 6}));
  EXPECT_EQ(rig_.Json()["matched"], 6);
  EXPECT_EQ(Run({"--limit", "2"}), 0);
  EXPECT_NE(rig_.out().find("The newest 2 of 6"), std::string::npos) << rig_.out();
  EXPECT_EQ(Run({"--event", "none"}), 0);
  EXPECT_EQ(rig_.out(), "No record.\n");
}

TEST_F(AuditSearch, ShowsNoRecordThatTheIssuerDidNotWrite) {
  Log log = SampleLog();
  log.lines[2].replace(log.lines[2].find("pcr-not-approved"), 3, "pcs");
  path_ = scratch_.Write("changed.jsonl", log.Text());
  EXPECT_EQ(Run({"--code", "pcs-not-approved"}), 1);
  EXPECT_NE(rig_.err().find("[audit-line-changed]"), std::string::npos) << rig_.err();
  EXPECT_EQ(rig_.out(), "");
  path_ = scratch_.Write("nonsense.jsonl", "{}\n");
  EXPECT_EQ(Run({}), 1);
  EXPECT_NE(rig_.err().find("[audit-line-malformed]"), std::string::npos) << rig_.err();
}

TEST_F(AuditSearch, WaitsForNoLineThatIsBeingWritten) {
  std::string text = SampleLog().Text();
  text.resize(text.size() - 10);
  path_ = scratch_.Write("torn.jsonl", text);
  EXPECT_EQ(Found({}).size(), 5U);
}

TEST_F(AuditSearch, RefusesWhatIsNoTime) {
  EXPECT_EQ(Run({"--since", "yesterday"}), 2);
  EXPECT_NE(rig_.err().find("2026-01-31T09:30:00Z"), std::string::npos) << rig_.err();
}

// The part of a log.

class AuditExport : public AuditSearch {
 protected:
  int Export(std::vector<std::string> more) {
    std::vector<std::string> arguments{"audit", "export",   path_,  "--key",
                                       Key(),   "--output", output_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return rig_.Run(arguments);
  }
  int Verify(const std::string& path, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"audit", "verify", path, "--key", Key(), "-o", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return rig_.Run(arguments);
  }
  static std::string Key() { return ToHex(AuditKey().public_key()); }
  // The part from record 3 to record 5, with lines changed.
  std::string Changed(const std::function<void(std::vector<std::string>&)>& change) {
    std::vector<std::string> lines;
    std::istringstream text(platform::ReadTextFile(output_).value());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    change(lines);
    std::string changed;
    for (const std::string& line : lines) changed += line + "\n";
    return scratch_.Write("changed.jsonl", changed);
  }

  std::string output_ = scratch_ / "part.jsonl";
};

TEST_F(AuditExport, CanBeVerifiedOnItsOwn) {
  ASSERT_EQ(Export({"--since", "4h", "--until", "1h"}), 0) << rig_.err();
  EXPECT_NE(rig_.out().find("Records 3 to 5 are in " + output_), std::string::npos) << rig_.out();
  const Log log = SampleLog();
  const std::string text = platform::ReadTextFile(output_).value();
  EXPECT_EQ(text.substr(text.find('\n') + 1), log.lines[2] + log.lines[3] + log.lines[4]);
  ASSERT_EQ(Verify(output_), 0) << rig_.err();
  EXPECT_EQ(rig_.Json()["records"], 3);
  EXPECT_EQ(rig_.Json()["after"]["seq"], 2);
  EXPECT_EQ(rig_.Json()["head"]["seq"], 5);
  EXPECT_EQ(rig_.Json()["head"]["hash"], ToHex(log.heads[4].hash));
  path_ = output_;
  EXPECT_EQ(Found({"--node", kOther}), Numbers{5}) << "and searched";
}

TEST_F(AuditExport, IsWholeWithoutTimes) {
  ASSERT_EQ(Export({}), 0) << rig_.err();
  ASSERT_EQ(Verify(output_), 0) << rig_.err();
  EXPECT_EQ(rig_.Json()["records"], 6);
}

TEST_F(AuditExport, ShowsWhatWasDoneToIt) {
  ASSERT_EQ(Export({"--since", "4h", "--until", "1h"}), 0);
  const auto problem = [&](const std::string& path) {
    EXPECT_EQ(Verify(path), 1);
    return rig_.ErrorJson().value("code", "");
  };
  EXPECT_EQ(problem(Changed([](auto& lines) { lines.pop_back(); })), "audit-truncated");
  EXPECT_EQ(problem(Changed([](auto& lines) { lines.erase(lines.begin() + 1); })),
            "audit-line-missing");
  EXPECT_EQ(problem(Changed([](auto& lines) { lines.erase(lines.begin() + 2); })),
            "audit-line-missing");
  EXPECT_EQ(problem(Changed([](auto& lines) { std::swap(lines[1], lines[2]); })),
            "audit-line-missing");
  EXPECT_EQ(problem(Changed([](auto& lines) { lines[1][lines[1].find("pcr-not")] = 'P'; })),
            "audit-line-changed");
  EXPECT_EQ(problem(Changed([](auto& lines) { lines[0] = R"({"audit_export":1,"after":{}})"; })),
            "audit-line-malformed");
  EXPECT_EQ(problem(Changed([](auto& lines) { lines.erase(lines.begin()); })), "audit-line-missing")
      << "without its first line it would be a whole log";
}

TEST_F(AuditExport, IsComparedWithAHeadThatItHolds) {
  ASSERT_EQ(Export({"--since", "4h", "--until", "1h"}), 0);
  Log log = SampleLog();
  EXPECT_EQ(Verify(output_, {"--head", fmt::format("4:{}", ToHex(log.heads[3].hash))}), 0);
  EXPECT_EQ(Verify(output_, {"--head", fmt::format("6:{}", ToHex(log.heads[5].hash))}), 0)
      << "behind its end";
  EXPECT_EQ(Verify(output_, {"--head", fmt::format("4:{}", ToHex(log.heads[0].hash))}), 1);
}

TEST_F(AuditExport, OfALogThatWasChangedIsRefusedAndLeavesNothing) {
  Log log = SampleLog();
  log.lines[1].replace(log.lines[1].find("fra1"), 4, "fra2");
  path_ = scratch_.Write("audit.jsonl", log.Text());
  EXPECT_EQ(Export({"--since", "2h"}), 1);
  EXPECT_NE(rig_.err().find("[audit-line-changed]"), std::string::npos) << rig_.err();
  EXPECT_FALSE(std::filesystem::exists(output_));
}

TEST_F(AuditExport, ReplacesNoFile) {
  scratch_.Write("part.jsonl", "precious");
  EXPECT_EQ(Export({}), 1);
  EXPECT_NE(rig_.err().find("[file-exists]"), std::string::npos) << rig_.err();
  EXPECT_EQ(platform::ReadTextFile(output_).value(), "precious");
}

TEST_F(AuditExport, SaysWhenThereIsNothingOfThatTime) {
  EXPECT_EQ(Export({"--since", "10m"}), 1);
  EXPECT_NE(rig_.err().find("[audit-range-empty]"), std::string::npos) << rig_.err();
}

admin::v1::ShowDecisionResponse Recorded() {
  admin::v1::ShowDecisionResponse response;
  response.mutable_decision()->set_rule("night");
  response.mutable_decision()->set_input_digest(std::string(32, '\x11'));
  response.set_input(R"({"point":"issuance","time":{"minute":7}})");
  return response;
}

TEST_F(AuditExport, WritesTheInputsOfItsDecisions) {
  rig_.issuer.decision = Recorded();
  ASSERT_EQ(Export({"--inputs"}), 0) << rig_.err();
  EXPECT_EQ(rig_.issuer.asked_digests, std::vector<std::string>(2, std::string(32, '\x11')));
  std::istringstream lines(platform::ReadTextFile(output_ + ".inputs").value());
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["input_digest"], kInput);
    EXPECT_EQ(json["input"], Recorded().input()) << "as it was: its SHA-256 is the digest";
  }
  EXPECT_EQ(count, 2U);
}

TEST_F(AuditExport, CountsInputsThatAreNotKeptAnyLonger) {
  rig_.issuer.decision = Fail(Code::kNotFound, "no recorded input", {.name = "decision-not-found"});
  ASSERT_EQ(Export({"--inputs"}), 0) << rig_.err();
  EXPECT_NE(rig_.out().find("2 inputs are no longer kept"), std::string::npos) << rig_.out();
  rig_.issuer.decision = Fail(Code::kUnavailable, "down", {.name = "admin-unreachable"});
  output_ = scratch_ / "second.jsonl";
  EXPECT_EQ(Export({"--inputs"}), 5);
  EXPECT_FALSE(std::filesystem::exists(output_));
  EXPECT_FALSE(std::filesystem::exists(output_ + ".inputs"));
}

TEST(AuditInput, PrintsWhatThePolicyWasTold) {
  CommandRig rig;
  rig.issuer.decision = Recorded();
  EXPECT_EQ(rig.Run({"audit", "input", "1111111111"}), 0) << rig.err();
  EXPECT_EQ(rig.issuer.asked_digests[0], std::string(5, '\x11'));
  EXPECT_EQ(rig.out(), "{\n  \"point\": \"issuance\",\n  \"time\": {\n    \"minute\": 7\n  }\n}\n");
  EXPECT_EQ(rig.Run({"audit", "input", "11111111", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json()["input"]["time"]["minute"], 7);
  EXPECT_EQ(rig.Json()["decision"]["rule"], "night");
  for (const char* text : {"1111", "111111111", "xyz", ""})
    EXPECT_EQ(rig.Run({"audit", "input", text}), 2) << text;
}

}  // namespace
}  // namespace lodekey::cli
