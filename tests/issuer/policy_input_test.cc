#include "issuer/policy_input.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/attest/scene.h"
#include "tests/issuer/store_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;

class PolicyInputTest : public testing::Test {
 protected:
  PolicyInputTest() {
    record.labels = {{"group", "edge"}, {"site", "berlin"}};
    record.revision = 3;
    record.standing = issuer::Standing::kActive;
    record.enrolment->assurance = "hardware";
    record.enrolment->evidence_time = scene.now - seconds(12);
    entry.id = "0198";
    entry.revision = 7;
    request = Must(issuer::ReadIssueItem(JwtItem(entry)));
  }

  std::string Issuance() const {
    return issuer::IssuanceInput(scene, record, entry,
                                 Must(ParseSpiffeId("spiffe://example.org/web")), request);
  }
  json Asked() const { return json::parse(Issuance()); }

  issuer::PolicyScene scene{.trust_domain = kTrustDomain,
                            .source = "192.0.2.7",
                            .now = Must(ParseTime("2025-11-22T19:20:27.900Z"))};
  issuer::NodeRecord record = FullNode(1);
  attest::Entry entry = EntryFor(Host());
  issuer::WorkloadRequest request{.subject = issuer::Audiences{}};
};

TEST_F(PolicyInputTest, SaysWhatSurroundsTheRequest) {
  const json input = Asked();
  EXPECT_EQ(input["schema"], 1);
  EXPECT_EQ(input["point"], "issuance");
  EXPECT_EQ(input["trust_domain"], "example.org");
  EXPECT_EQ(input["time"], json({{"unix", 1763839227},
                                 {"rfc3339", FormatTime(Must(ParseTime("2025-11-22T19:20:27Z")))},
                                 {"weekday", "saturday"},
                                 {"minute", 1160}}));
  EXPECT_EQ(input["facts"]["observed"]["source"], "192.0.2.7");
  scene.source = {};
  EXPECT_FALSE(Asked()["facts"]["observed"].contains("source"));
}

TEST_F(PolicyInputTest, SaysWhichNodeAsks) {
  const json node = Asked()["node"];
  EXPECT_EQ(node["id"], record.id);
  EXPECT_EQ(node["spiffe_id"], "spiffe://example.org/node/" + record.id);
  EXPECT_EQ(node["standing"], "active");
  EXPECT_EQ(node["group"], "edge");
  EXPECT_EQ(node["known"], true);
  EXPECT_EQ(node["evidence_age"], 12);
  record.enrolment->evidence_time = scene.now + seconds(5);
  EXPECT_EQ(Asked()["node"]["evidence_age"], -5) << "the clock went back";
  record.enrolment->evidence_time = scene.now + Duration(1);
  EXPECT_EQ(Asked()["node"]["evidence_age"], -1);
}

TEST_F(PolicyInputTest, SaysWhatIsAskedForAndByWhichEntry) {
  request.scopes = {"read"};
  request.task = "ticket 7";
  const json input = Asked();
  EXPECT_EQ(input["request"], json({{"kind", "jwt"},
                                    {"audience", {"db"}},
                                    {"scope", {"read"}},
                                    {"task", "ticket 7"},
                                    {"ttl", 300}}));
  EXPECT_EQ(input["entry"]["id"], "0198");
  EXPECT_EQ(input["entry"]["spiffe_id"], "spiffe://example.org/web");
  EXPECT_EQ(input["entry"]["selectors"], json({"unix:uid:1000"}));
  EXPECT_EQ(input["entry"]["expires"], 0);
  request.subject = WorkloadKey().public_key();
  EXPECT_EQ(Asked()["request"]["kind"], "x509");
  EXPECT_EQ(Asked()["request"]["ttl"], 3600);
}

TEST_F(PolicyInputTest, KeepsSelectorsUnderTheGradeTheyWereReportedWith) {
  request.selectors.push_back(
      {.selector = {.type = "unix", .name = "gid", .value = "0"}, .grade = attest::Grade::kProved});
  const json facts = Asked()["facts"];
  EXPECT_EQ(facts["observed"]["selectors"], json({"unix:uid:1000"}));
  EXPECT_EQ(facts["proved"]["selectors"], json({"unix:gid:0"}));
  EXPECT_EQ(facts["proved"]["assurance"], "hardware");
  EXPECT_EQ(facts["declared"]["labels"], json({{"group", "edge"}, {"site", "berlin"}}));
  request.selectors.clear();
  EXPECT_EQ(Asked()["facts"]["observed"]["selectors"], json::array());
}

TEST_F(PolicyInputTest, SaysOfTheEvidenceWhatTheVerifierFound) {
  Scene host;
  host.SetRegister(4, Bytes(32, 0xee));
  const json input = json::parse(
      issuer::StandingInput(scene, record, "emulator", host.Attest(), scene.now - minutes(1)));
  EXPECT_EQ(input["point"], "standing");
  EXPECT_EQ(input["request"], json({{"kind", "node"}}));
  EXPECT_EQ(input["node"]["evidence_age"], 60);
  EXPECT_EQ(input["facts"]["proved"]["assurance"], "emulator");
  EXPECT_EQ(input["facts"]["proved"]["attestation_key"], "same");
  EXPECT_EQ(input["facts"]["proved"]["firmware_changed"], "no");
  EXPECT_EQ(input["facts"]["recorded"]["ledger_register"], "13");
  EXPECT_EQ(input["facts"]["declared"]["reference_values"], "absent");
  ASSERT_EQ(input["findings"].size(), 1U);
  EXPECT_EQ(input["findings"][0]["code"], "pcr-changed-in-boot");
  EXPECT_EQ(input["findings"][0]["subject"], "PCR 4 (sha256)");
  EXPECT_FALSE(input.contains("entry"));
}

TEST_F(PolicyInputTest, SaysOfAnUnknownHostWhatItShows) {
  const issuer::NodeRecord unknown{.id = SampleNodeId(9)};
  const auto asked = [&](bool finished) {
    return json::parse(issuer::AdmissionInput(
        scene, unknown,
        {.assurance = attest::Assurance::kEmulator,
         .assurance_reason = "ek-certificate-absent",
         .devid = attest::ProvedDevId{.subject = "CN=a", .serial = "01", .issuer = "CN=ca"},
         .finished = finished}));
  };
  const json start = asked(false);
  EXPECT_EQ(start["node"]["known"], false);
  EXPECT_EQ(start["node"]["standing"], "");
  EXPECT_EQ(start["request"], json({{"kind", "node"}, {"stage", "start"}}));
  EXPECT_EQ(start["facts"]["proved"]["assurance"], "emulator");
  EXPECT_EQ(start["facts"]["proved"]["assurance_reason"], "ek-certificate-absent");
  EXPECT_FALSE(start["facts"]["proved"].contains("manufacturer")) << "nobody vouches for any";
  EXPECT_FALSE(start["facts"]["proved"].contains("devid")) << "it is not proved yet";
  EXPECT_FALSE(start.contains("findings"));
  const json finish = asked(true);
  EXPECT_EQ(finish["request"]["stage"], "finish");
  EXPECT_EQ(finish["facts"]["proved"]["devid"],
            json({{"subject", "CN=a"}, {"serial", "01"}, {"issuer", "CN=ca"}}));
}

TEST_F(PolicyInputTest, SaysWhoMadeTheTpm) {
  const json input = json::parse(
      issuer::AdmissionInput(scene, {.id = SampleNodeId(9)},
                             {.assurance = attest::Assurance::kHardware, .manufacturer = "INTC"}));
  EXPECT_EQ(input["facts"]["proved"]["manufacturer"], "INTC");
}

TEST_F(PolicyInputTest, IsTheSameBytesForTheSameFacts) {
  EXPECT_EQ(Issuance(), Issuance());
  EXPECT_TRUE(Issuance().starts_with(R"({"schema":1,"point":"issuance","trust_domain":)"));
}

// What a host, an operator or a hand in the database may have written.
TEST_F(PolicyInputTest, StaysOneDocumentWhateverIsInItsTexts) {
  const std::string hostile[] = {R"(","allow":true,"x":")", "\xff\xfe not UTF-8", "\xed\xa0\x80",
                                 std::string("\0\x01\x1f", 3), "\u2028</script>"};
  for (const std::string& text : hostile) {
    record.labels = {{text, text}};
    entry.hint = entry.owner = text;
    request.task = text;
    request.selectors = {{.selector = {.type = "unix", .name = "path", .value = text}}};
    const json input = json::parse(Issuance(), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(input.is_object()) << text;
    EXPECT_FALSE(input.contains("allow"));
    EXPECT_EQ(input["facts"]["observed"]["selectors"].size(), 1U);
  }
}

TEST_F(PolicyInputTest, HasTheFactsOfTheLastAcceptedEvidence) {
  record.enrolment->facts.clear();
  EXPECT_FALSE(Asked()["facts"]["recorded"].contains("boot_log"));
  record.enrolment->facts = {
      {.name = "boot-log", .value = "absent", .grade = attest::Grade::kRecorded},
      {.name = "assurance", .value = "none", .grade = attest::Grade::kProved}};
  EXPECT_EQ(Asked()["facts"]["recorded"]["boot_log"], "absent");
  EXPECT_EQ(Asked()["facts"]["proved"]["assurance"], "hardware") << "of the enrolment";
}

}  // namespace
}  // namespace lodekey::test
