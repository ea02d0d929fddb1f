#include "issuer/audit_record.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "crypto/digest.h"
#include "issuer/node_limits.h"
#include "issuer/store_limits.h"
#include "tests/issuer/policy_fixture.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using nlohmann::json;

// Of a policy that allows everything.
issuer::Ruling Allowance() {
  return issuer::Policy(Lazily(Always(kAllowAll, kAllowAllData), 4))
      .Decide(issuer::PolicyPoint::kIssuance, "{}", At(95));
}

TEST(AuditRecord, SaysWhatWillBeSigned) {
  const issuer::CredentialRecord credential = SampleCredential(7);
  const issuer::Ruling ruling = Allowance();
  EXPECT_EQ(json::parse(issuer::CredentialAuditRecord(credential, ruling, At(95))),
            json({{"time", "2026-01-01T00:00:00.095Z"},
                  {"event", "credential.issued"},
                  {"node", SampleNodeId(1)},
                  {"kind", "node"},
                  {"spiffe_id", credential.spiffe_id},
                  {"serial", "0100000007"},
                  {"not_before", "2026-01-01T00:00:00.100Z"},
                  {"not_after", "2026-01-01T00:00:00.200Z"},
                  {"evidence_time", "2026-01-01T00:00:00.090Z"},
                  {"tbs_sha256", std::string(64, '7')},
                  {"policy",
                   {{"version", 4},
                    {"rule", "all"},
                    {"reasons", json::array()},
                    {"input", ToHex(crypto::Sha256(AsBytes("{}")))}}}}));
}

TEST(AuditRecord, SaysOnWhichEntryAWorkloadsCredentialRests) {
  issuer::CredentialRecord credential = SampleCredential(7);
  credential.kind = issuer::CredentialKind::kJwt;
  credential.entry = "0198";
  const auto record = json::parse(issuer::CredentialAuditRecord(credential, Allowance(), At(95)));
  EXPECT_EQ(record["kind"], "jwt");
  EXPECT_EQ(record["entry"], "0198");
}

TEST(AuditRecord, SaysWhatAnOperatorDid) {
  const auto record = json::parse(issuer::OperatorRecord(
      {.event = "node.allowed", .actor = "uid 0", .node = SampleNodeId(1), .detail = "group=edge"},
      At(0)));
  EXPECT_EQ(record["event"], "node.allowed");
  EXPECT_EQ(record["actor"], "uid 0");
  EXPECT_EQ(record["detail"], "group=edge");
  EXPECT_EQ(json::parse(issuer::OperatorRecord(
                {.event = "node.removed", .actor = "uid 0", .node = "x"}, At(0))),
            json({{"time", "2026-01-01T00:00:00.000Z"},
                  {"event", "node.removed"},
                  {"actor", "uid 0"},
                  {"node", "x"}}))
      << "no field for what there is nothing to say of";
}

TEST(AuditRecord, HoldsAsManyValuesAsItMayBeGiven) {
  issuer::OperatorAction action{.event = "pcrs.approved",
                                .actor = std::string(issuer::kMaxApprover, 'x'),
                                .node = SampleNodeId(1),
                                .detail = std::string(issuer::kMaxLabelValue, '\xff')};
  for (size_t i = 0; i < issuer::kMaxAuditValues; ++i)
    action.values.push_back({.group = "edge",
                             .pcr = 23,
                             .value = Bytes(64, 0xab),
                             .approved = At(0),
                             .approved_by = action.actor});
  const std::string record = issuer::OperatorRecord(action, At(0));
  Must(issuer::CheckAuditRecord(record));
  const auto values = json::parse(record)["values"];
  ASSERT_EQ(values.size(), issuer::kMaxAuditValues);
  EXPECT_EQ(values.back()["pcr"], 23);
  EXPECT_EQ(values.back()["value"], ToHex(Bytes(64, 0xab)));
}

// One line of ASCII, whatever a stranger's text holds: else it could write lines of its own.
TEST(AuditRecord, KeepsStrangeTextsInOneLine) {
  const std::string record = issuer::OperatorRecord({.event = "node.allowed",
                                                     .actor = "uid 0",
                                                     .node = "x",
                                                     .detail = "a\nb\r\xff\xe2\x80\xa8\"}"},
                                                    At(0));
  for (const char c : record) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  EXPECT_EQ(json::parse(record)["detail"].get<std::string>().substr(0, 4), "a\nb\r");
}

// As much as attest::CheckEntry lets pass, in characters that JSON writes as two.
attest::Entry LargestEntry() {
  attest::Entry entry = SampleEntry(1);
  entry.spiffe_id = "spiffe://example.org/" + std::string(100'000, 'x');
  entry.scope.nodes.assign(1024, SampleNodeId(1));
  entry.scope.labels.clear();
  for (int i = 0; i < 32; ++i)
    entry.scope.labels[fmt::format("{:x>255}", i)] = std::string(255, '\\');
  entry.selectors.assign(32, {.type = "unix", .name = "path", .value = std::string(1000, '"')});
  entry.dns_names.assign(32, std::string(253, 'd'));
  entry.jwt_audiences.assign(32, std::string(255, '"'));
  entry.owner = entry.hint = std::string(255, '"');
  entry.common_name = std::string(64, '"');
  return entry;
}

TEST(AuditRecord, HasTheLargestEntryOnOneLine) {
  const attest::Entry before = LargestEntry();
  attest::Entry after = before;
  after.spiffe_id += "y";
  after.scope.nodes[5] = SampleNodeId(2);
  after.scope.labels.begin()->second = "other";
  after.selectors[0].value = "/";
  after.dns_names[0] = "d";
  after.jwt_audiences[0] = "a";
  after.owner = after.hint = std::string(255, '\\');
  after.common_name = std::string(64, '\\');
  const std::string record = issuer::EntryRecord(
      {.actor = std::string(issuer::kMaxApprover, 'x'), .before = before, .after = after}, At(0));
  Must(issuer::CheckAuditRecord(record));
  const auto changed = json::parse(record)["changed"];
  EXPECT_EQ(changed["owner"]["after"], after.owner) << "what is short is there as it is";
  for (const char* name :
       {"spiffe_id", "nodes", "node_labels", "selectors", "dns_names", "jwt_audiences"}) {
    EXPECT_EQ(changed[name]["before"]["sha256"].get<std::string>().size(), 64U) << name;
    EXPECT_NE(changed[name]["before"]["sha256"], changed[name]["after"]["sha256"]) << name;
  }
  EXPECT_EQ(changed["nodes"]["after"]["bytes"], 1024 * 67 + 1);
}

TEST(AuditRecord, NamesTheFieldsOfAnEntryThatChangedAndNoOther) {
  const attest::Entry before = SampleEntry(1);
  attest::Entry after = before;
  after.revision = 2;
  after.prefetch = false;
  EXPECT_EQ(
      json::parse(issuer::EntryRecord({.actor = "uid 0", .before = before, .after = after}, At(0))),
      json({{"time", "2026-01-01T00:00:00.000Z"},
            {"event", "entry.updated"},
            {"actor", "uid 0"},
            {"entry", SampleEntryId(1)},
            {"revision", 2},
            {"spiffe_id", before.spiffe_id},
            {"changed", {{"prefetch", {{"before", true}, {"after", false}}}}}}));
  const auto deleted =
      json::parse(issuer::EntryRecord({.actor = "uid 0", .before = before}, At(0)));
  EXPECT_EQ(deleted["event"], "entry.deleted");
  EXPECT_EQ(deleted["changed"]["owner"], json({{"before", "web team"}}));
}

}  // namespace
}  // namespace lodekey::test
