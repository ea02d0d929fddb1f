#include "issuer/audit_record.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "issuer/node_limits.h"
#include "issuer/store_limits.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using nlohmann::json;

TEST(AuditRecord, SaysWhatWillBeSigned) {
  const issuer::CredentialRecord credential = SampleCredential(7);
  EXPECT_EQ(json::parse(issuer::CredentialAuditRecord(credential, At(95))),
            json({{"time", "2026-01-01T00:00:00.095Z"},
                  {"event", "credential.issued"},
                  {"node", SampleNodeId(1)},
                  {"spiffe_id", credential.spiffe_id},
                  {"serial", "0100000007"},
                  {"not_before", "2026-01-01T00:00:00.100Z"},
                  {"not_after", "2026-01-01T00:00:00.200Z"},
                  {"evidence_time", "2026-01-01T00:00:00.090Z"},
                  {"tbs_sha256", std::string(64, '7')}}));
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

}  // namespace
}  // namespace lodekey::test
