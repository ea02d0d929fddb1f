#include "issuer/audit_record.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/issuer/store_fixture.h"

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
  EXPECT_FALSE(json::parse(issuer::OperatorRecord(
                               {.event = "node.removed", .actor = "uid 0", .node = "x"}, At(0)))
                   .contains("detail"));
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
