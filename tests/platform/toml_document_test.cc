#include "platform/toml_document.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto entries = ParseToml(text);
  return entries ? "no error" : entries.error().text;
}

TEST(TomlDocument, IsFlattenedInDocumentOrderWithPositions) {
  const auto entries = ParseToml(
      "zone = \"z\"\n"
      "list = [\"a\", \"b\"]\n"
      "[tpm]\n"
      "  tcti = 'device'\n"
      "ready = true\n"
      "[a]\n"
      "b.c = 7\n");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 5u);
  EXPECT_EQ(entries->at(0).key, "zone");
  EXPECT_EQ(entries->at(0).value, RawValue("z"));
  EXPECT_EQ(entries->at(1).value, RawValue(std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(entries->at(2).key, "tpm.tcti");
  EXPECT_EQ(entries->at(2).line, 4u);
  EXPECT_EQ(entries->at(2).column, 3u);
  EXPECT_EQ(entries->at(3).value, RawValue(true));
  EXPECT_EQ(entries->at(4).key, "a.b.c");
  EXPECT_EQ(entries->at(4).value, RawValue(int64_t{7}));
}

TEST(TomlDocument, HasNoValueForTypesThatNoOptionHas) {
  const auto entries = ParseToml("f = 1.5\nd = 2026-01-31\nm = [\"a\", 1]\nt = [{a = 1}]\n");
  ASSERT_TRUE(entries);
  for (const TomlEntry& entry : *entries) {
    EXPECT_EQ(entry.value, RawValue(std::monostate())) << entry.key;
  }
}

TEST(TomlDocument, DoesNotTakeAQuotedDotForATable) {
  const auto entries = ParseToml("\"tpm.tcti\" = 'x'\n\"a\\nb\" = 1\n");
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->at(0).key, "\"tpm.tcti\"");
  EXPECT_EQ(entries->at(1).key, "\"a\\nb\"") << "and a newline in a key is shown";
}

TEST(TomlDocument, SaysWhereTheSyntaxIsWrong) {
  EXPECT_TRUE(ErrorOf("a = 1\nb = = 2\n").starts_with("2:5: ")) << ErrorOf("a = 1\nb = = 2\n");
  EXPECT_TRUE(ErrorOf("a = 1\na = 2\n").starts_with("2:")) << "a key given twice";
  EXPECT_NE(ErrorOf("a = \"\xff\"\n"), "no error");
  EXPECT_NE(ErrorOf("a = \"open\n"), "no error");
}

TEST(TomlDocument, MayBeginWithAByteOrderMark) {
  const auto entries = ParseToml("\xef\xbb\xbfs = 'é' # é\n");
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->at(0).value, RawValue("é"));
}

TEST(TomlDocument, NeverReachesTheParserWhenItIsUnbearable) {
  EXPECT_EQ(ErrorOf("x = 1\n  [&]"), "2:3: a table header must begin with a key");
}

TEST(TomlDocument, IsAtMostAMebibyte) {
  const std::string comment = "#" + std::string(kTomlMaxBytes - 1, 'x');
  EXPECT_TRUE(ParseToml(comment));
  EXPECT_EQ(ErrorOf(comment + "x"), "larger than 1048576 bytes");
}

}  // namespace
}  // namespace lodekey::platform
