#include "attest/token_purpose.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace lodekey::attest {
namespace {

using test::Must;

std::string Problem(TokenPurpose purpose) {
  const auto canonical = Canonical(std::move(purpose));
  return canonical ? "" : std::string(canonical.error().Name());
}

TokenPurpose WithScopes(std::vector<std::string> scopes) {
  return {.audiences = {"db"}, .scopes = std::move(scopes)};
}

TokenPurpose WithTask(std::string task) {
  return {.audiences = {"db"}, .scopes = {}, .task = std::move(task)};
}

std::vector<std::string> Numbers(size_t count) {
  std::vector<std::string> numbers;
  for (size_t i = 0; i < count; ++i) numbers.push_back(std::to_string(i));
  return numbers;
}

TEST(TokenPurpose, IsTheSameWhateverTheOrder) {
  const auto one =
      Must(Canonical({.audiences = {"y", "x", "y"}, .scopes = {"write", "read", "write"}}));
  EXPECT_EQ(one, Must(Canonical({.audiences = {"x", "y"}, .scopes = {"read", "write"}})));
  EXPECT_EQ(one.scopes, (std::vector<std::string>{"read", "write"}));
}

TEST(TokenPurpose, IsForSomebody) {
  EXPECT_EQ(Problem({}), "audience-invalid");
  EXPECT_EQ(Problem({.audiences = {"x", ""}}), "audience-invalid");
  EXPECT_EQ(Problem({.audiences = {std::string(kMaxAudienceSize, 'x')}}), "");
  EXPECT_EQ(Problem({.audiences = {std::string(kMaxAudienceSize + 1, 'x')}}), "audience-invalid");
  EXPECT_EQ(Problem({.audiences = {"d\nb"}}), "audience-invalid");
  EXPECT_EQ(Problem({.audiences = {"b\u00fccher"}}), "");
  EXPECT_EQ(Problem({.audiences = Numbers(kMaxAudiences)}), "");
  EXPECT_EQ(Problem({.audiences = Numbers(kMaxAudiences + 1)}), "audience-invalid");
}

TEST(TokenPurpose, HasScopesAsOAuthWritesThem) {
  EXPECT_EQ(Problem(WithScopes({"!", "#[", "]~", "https://api.example/write"})), "");
  for (const char* scope : {"", " ", "a b", "\"", "\\", "a\n", "\x7f", "\xc3\xa4"})
    EXPECT_EQ(Problem(WithScopes({"read", scope})), "scope-invalid") << scope;
  EXPECT_EQ(Problem(WithScopes({std::string(kMaxScopeSize, 's')})), "");
  EXPECT_EQ(Problem(WithScopes({std::string(kMaxScopeSize + 1, 's')})), "scope-invalid");
  EXPECT_EQ(Problem(WithScopes(Numbers(kMaxScopes))), "");
  EXPECT_EQ(Problem(WithScopes(Numbers(kMaxScopes + 1))), "scope-invalid");
}

TEST(TokenPurpose, HasAPrintableTask) {
  EXPECT_EQ(Problem(WithTask("nightly backup \"7\" \\ #1")), "");
  EXPECT_EQ(Problem(WithTask(std::string(kMaxTaskSize, 't'))), "");
  EXPECT_EQ(Problem(WithTask(std::string(kMaxTaskSize + 1, 't'))), "task-invalid");
  for (const char* task : {"a\nb", "\t", "\x7f", "\xc3\xa4"})
    EXPECT_EQ(Problem(WithTask(task)), "task-invalid") << task;
}

TEST(TokenPurpose, SplitsScopesAtSingleSpaces) {
  using Scopes = std::vector<std::string>;
  EXPECT_EQ(SplitScopes("read write"), (Scopes{"read", "write"}));
  EXPECT_EQ(SplitScopes("read"), (Scopes{"read"}));
  EXPECT_EQ(SplitScopes(""), (Scopes{""})) << "which is no scope";
  EXPECT_EQ(SplitScopes("read  write "), (Scopes{"read", "", "write", ""}));
}

TEST(TokenPurpose, IsDescribedInOneLine) {
  EXPECT_EQ(DescribePurpose({.audiences = {"a", "b"}}), "JWT-SVID for a, b");
  EXPECT_EQ(DescribePurpose({.audiences = {"db"}, .scopes = {"read", "write"}, .task = "backup"}),
            "JWT-SVID for db, scope read write, task backup");
}

}  // namespace
}  // namespace lodekey::attest
