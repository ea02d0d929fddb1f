#include "issuer/policy_data.h"

#include <gtest/gtest.h>

#include "issuer/policy_bundle.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::ReadPolicyData;

attest::AppraisalPolicy AppraisalOf(const std::string& json) {
  return Must(ReadPolicyData(json)).appraisal;
}

void ExpectRefused(const std::string& json, const std::vector<std::string>& named) {
  const auto read = ReadPolicyData(json);
  ASSERT_FALSE(read) << json;
  EXPECT_EQ(read.error().Name(), "policy-invalid") << json;
  for (const std::string& name : named) {
    EXPECT_NE(read.error().text.find(name), std::string::npos)
        << json << " does not name " << name << ": " << read.error().text;
  }
}

TEST(PolicyData, IsTheVerifiersDefaultsAsShipped) {
  EXPECT_EQ(AppraisalOf(issuer::ShippedPolicy().data), attest::AppraisalPolicy());
  EXPECT_EQ(AppraisalOf("{}"), attest::AppraisalPolicy());
  EXPECT_TRUE(Must(ReadPolicyData(issuer::ShippedPolicy().data)).unsafe_allow_all.empty());
}

TEST(PolicyData, SaysWhatIsQuotedAndCompared) {
  const auto policy = AppraisalOf(R"({"appraisal": {"bank": "sha384", "required_pcrs": "0-7",
      "static_pcrs": "0-5,7", "ledger_registers": "12"}})");
  EXPECT_EQ(policy.bank, crypto::HashAlg::kSha384);
  EXPECT_EQ(policy.required, 0x00ffU);
  EXPECT_EQ(policy.static_pcrs, 0x00bfU);
  EXPECT_EQ(policy.ledger_registers, 0x1000U);
}

TEST(PolicyData, SaysWhereEverythingIsAllowed) {
  const auto points = [](const std::string& json) {
    return Must(ReadPolicyData(R"({"lodekey": {"unsafe_allow_all": )" + json + "}}"))
        .unsafe_allow_all;
  };
  EXPECT_EQ(points("true").size(), 3U);
  EXPECT_TRUE(points("false").empty());
  EXPECT_TRUE(points("[]").empty());
  EXPECT_EQ(points(R"(["standing"])"), std::vector{issuer::PolicyPoint::kStanding});
}

TEST(PolicyData, LeavesTheRestToTheRules) {
  EXPECT_TRUE(ReadPolicyData(R"({"admission": {"mine": [1]}, "sites": ["berlin"]})"));
}

TEST(PolicyData, NamesTheKeyThatIsWrong) {
  ExpectRefused(R"({"appraisal": {"bank": "sha1"}})", {"appraisal.bank"});
  ExpectRefused(R"({"appraisal": {"bank": 256}})", {"appraisal.bank"});
  ExpectRefused(R"({"appraisal": {"required_pcrs": "0-24"}})", {"appraisal.required_pcrs"});
  ExpectRefused(R"({"appraisal": {"static_pcrs": ""}})", {"appraisal.static_pcrs"});
  ExpectRefused(R"({"appraisal": {"require_claim": "no"}})", {"appraisal.require_claim"});
  ExpectRefused(R"({"appraisal": {"require_refrences": true}})", {"appraisal.require_refrences"});
  ExpectRefused(R"({"appraisal": {"accept_findings": [1]}})", {"appraisal.accept_findings"});
  ExpectRefused(R"({"appraisal": []})", {"appraisal"});
  ExpectRefused(R"({"lodekey": {"unsafe_allow_all": 1}})", {"lodekey.unsafe_allow_all"});
  ExpectRefused(R"({"lodekey": {"unsafe_allow_all": ["all"]}})", {"lodekey.unsafe_allow_all"});
  ExpectRefused(R"({"lodekey": {"unsafe_allow_all": [1]}})", {"lodekey.unsafe_allow_all"});
  ExpectRefused(R"({"lodekey": {"allow_all": true}})", {"lodekey.allow_all"});
  for (const char* json : {"", "[]", "1", "{", "null"}) ExpectRefused(json, {"data.json"});
}

// --- Registers that may hold a ledger ---

std::string Ledger(const std::string& registers) {
  return R"({"appraisal": {"ledger_registers": ")" + registers + R"("}})";
}

TEST(LedgerRegisters, AreOneUnlessMoreAreAllowed) {
  EXPECT_EQ(AppraisalOf("{}").ledger_registers, 1U << 13);
  EXPECT_EQ(AppraisalOf(Ledger("11-13,15")).ledger_registers, 0xb800U);
}

TEST(LedgerRegisters, AreNeitherTheBootsNorImasNorResettable) {
  for (const std::string pcr : {"0", "7", "9", "10", "16", "17", "22", "23"})
    ExpectRefused(Ledger("13," + pcr), {"appraisal.ledger_registers", "PCR " + pcr + ":"});
  ExpectRefused(Ledger("0-23"), {"PCR 0-10,16-23:"});
  ExpectRefused(Ledger("24"), {"appraisal.ledger_registers"});
}

TEST(LedgerRegisters, AreNotThoseThatPolicyCallsStatic) {
  ExpectRefused(Ledger("13-14"), {"PCR 14,", "appraisal.static_pcrs"});
  EXPECT_TRUE(ReadPolicyData(R"({"appraisal": {"static_pcrs": "0-9", "ledger_registers": "14"}})"));
}

}  // namespace
}  // namespace lodekey::test
