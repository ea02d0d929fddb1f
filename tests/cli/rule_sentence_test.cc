#include "cli/rule_sentence.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include <gtest/gtest.h>

namespace lodekey::cli {
namespace {

using verdict::v1::FailedRule;

FailedRule Rule(std::string code, std::string subject, std::string expected, std::string seen) {
  FailedRule rule;
  rule.set_code(std::move(code));
  rule.set_subject(std::move(subject));
  rule.set_expected(std::move(expected));
  rule.set_seen(std::move(seen));
  return rule;
}

std::string ReadSource(const std::string& path) {
  const char* root = std::getenv("LODEKEY_SOURCE");
  std::ifstream file(std::string(root == nullptr ? "." : root) + "/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What a source gives as the code of a failed rule: the texts in the first argument behind `maker`.
std::set<std::string> CodesIn(const std::string& path, const std::string& maker) {
  const std::string source = ReadSource(path);
  const std::regex first_argument(maker + "([^,;]*),");
  const std::regex quoted("\"([a-z][a-z-]+)\"");
  std::set<std::string> codes;
  for (std::sregex_iterator made(source.begin(), source.end(), first_argument), end; made != end;
       ++made) {
    const std::string argument = (*made)[1];
    for (std::sregex_iterator code(argument.begin(), argument.end(), quoted); code != end; ++code) {
      codes.insert((*code)[1]);
    }
  }
  return codes;
}

void ExpectSentences(const std::string& path, const std::string& maker, size_t at_least) {
  const std::set<std::string> codes = CodesIn(path, maker);
  EXPECT_GE(codes.size(), at_least) << path << " was not understood";
  for (const std::string& code : codes) EXPECT_TRUE(HasRuleSentence(code)) << path << ": " << code;
}

TEST(RuleSentence, ExistsForEveryCodeOfTheVerifier) {
  if (ReadSource("attest/state_rules.cc").empty()) GTEST_SKIP() << "the sources are not here";
  ExpectSentences("attest/authenticity_rules.cc", R"(Refused\()", 10);
  ExpectSentences("attest/state_rules.cc", R"(\.code = )", 8);
  ExpectSentences("attest/ledger_rules.cc", R"(\bRule\()", 7);
  ExpectSentences("issuer/policy/standing.rego", R"("code": )", 5);
  ExpectSentences("issuer/attestation.cc", R"(\.code = )", 1);
}

TEST(RuleSentence, ExistsForEveryCodeOfTheParsersBelow) {
  if (ReadSource("tpm/attestation.cc").empty()) GTEST_SKIP() << "the sources are not here";
  ExpectSentences("tpm/attestation.cc", R"(Refuse\()", 3);
  ExpectSentences("tpm/signature.cc", R"(Untrusted\()", 2);
}

TEST(RuleSentence, SaysWhatChangedFromWhatToWhat) {
  EXPECT_EQ(
      RuleSentence(Rule("pcr-changed-in-boot", "PCR 8 (sha256)", "3f2a91c0" + std::string(56, '1'),
                        "9c01aa12" + std::string(56, '2'))),
      "PCR 8 (sha256) changed while the host was running: it was 3f2a91c0…, it is now "
      "9c01aa12….");
}

TEST(RuleSentence, ShowsValuesWholeThatBeginAlike) {
  const std::string before = std::string(63, 'a') + "1";
  const std::string after = std::string(63, 'a') + "2";
  const std::string text = RuleSentence(Rule("pcr-changed-in-boot", "PCR 4", before, after));
  EXPECT_NE(text.find(before), text.npos);
  EXPECT_NE(text.find(after), text.npos);
}

TEST(RuleSentence, BeginsWithACapitalLetter) {
  EXPECT_EQ(RuleSentence(Rule("no-such-code", "boot log", "one", "two")),
            "Boot log: expected one, found two.");
}

TEST(RuleSentence, FallsBackToAGeneralOneForAnUnknownCode) {
  EXPECT_FALSE(HasRuleSentence("no-such-code"));
  EXPECT_EQ(RuleSentence(Rule("no-such-code", "", "", "")),
            "Nothing: expected nothing, found nothing.");
}

TEST(RuleSentence, TakesBracesInAValueAsText) {
  EXPECT_EQ(RuleSentence(Rule("firmware-changed", "x", "{seen}", "{0}")),
            "The TPM's firmware changed: it was {seen}, it is now {0}.");
}

TEST(RuleSentence, EscapesWhatWouldSteerATerminal) {
  const std::string text = RuleSentence(Rule("ledger-malformed", "x", "y", "\x1b[2J"));
  EXPECT_EQ(text.find('\x1b'), text.npos);
  EXPECT_NE(text.find("\\x1b[2J"), text.npos);
}

}  // namespace
}  // namespace lodekey::cli
