#include "platform/toml_guard.h"

#include <string>

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

std::string Repeat(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string ErrorOf(std::string_view text) {
  const auto checked = CheckTomlIsBearable(text);
  return checked ? "no error" : checked.error().text;
}

TEST(TomlGuard, RefusesDeepNestingBeforeParsing) {
  EXPECT_EQ(ErrorOf(Repeat("a.", 300000) + "a = 1"), "1:34: a key has too many dotted parts");
  EXPECT_EQ(ErrorOf("x = 1\n[" + Repeat("a.", 50) + "a]"), "2:35: a key has too many dotted parts");
  EXPECT_EQ(ErrorOf("a = " + Repeat("[", 1000)), "1:21: values are nested too deep");
  EXPECT_EQ(ErrorOf("a = " + Repeat("{a=", 1000)), "1:53: values are nested too deep");
}

TEST(TomlGuard, RefusesHeadersThatBeginWithNoKey) {
  for (const char* text : {"[&", "[[=", "[[[a]]]", "[ [a]]", "[\n", "a = [\n1]\n[%]", "[\x80"}) {
    EXPECT_TRUE(ErrorOf(text).ends_with("a table header must begin with a key")) << text;
  }
  EXPECT_EQ(ErrorOf("x = 1\n  [&]"), "2:3: a table header must begin with a key");
  EXPECT_TRUE(CheckTomlIsBearable("[ a ]\nx = [[1], [[ ]]]\n[\"b\"]\n['c']\n[[ d ]]\n"));
}

TEST(TomlGuard, HoldsMoreThanAsciiOnlyInStringsAndComments) {
  EXPECT_TRUE(CheckTomlIsBearable("s = 'é' # é\nt = \"\"\"\né\"\"\"\n\"é\" = 1\n"));
  EXPECT_EQ(ErrorOf("a = 1\nb = 2 é"), "2:7: only strings and comments may hold more than ASCII");
  EXPECT_NE(ErrorOf("é = 1"), "no error");
  EXPECT_NE(ErrorOf("a = 1\xef\xbb\xbf"), "no error");
}

TEST(TomlGuard, FindsDeepNestingBehindStringsAndComments) {
  const std::string deep = Repeat("a.", 50) + "a = 1\n";
  for (const std::string& before :
       {std::string("s = \"\\\"\"\n"), std::string("s = '\\'\n"), std::string("s = \"\"\n"),
        std::string("s = \"\"\"x\"\"\"\"\"\n"), std::string("s = '''\n'x'''\n"),
        std::string("# \"\n"), std::string("s = '#'\n")}) {
    EXPECT_TRUE(ErrorOf(before + deep).ends_with("too many dotted parts")) << before;
  }
}

TEST(TomlGuard, DoesNotCountDotsInStringsAndComments) {
  const std::string dots = Repeat("a.", 50);
  EXPECT_TRUE(
      CheckTomlIsBearable("s = \"" + dots + "\"\n# " + dots + "\nt = '''\n" + dots + "'''\n"));
  EXPECT_TRUE(CheckTomlIsBearable("l = [\"" + dots + "\", \"" + dots + "\"]\n"));
}

TEST(TomlGuard, LeavesOtherMistakesToTheParser) {
  for (const char* text : {"", "[", "[[", "[]", "a = ", "= 1", "a = \"open", "]}", "a = 'x\ny"}) {
    EXPECT_EQ(ErrorOf(text), "no error") << text;
  }
}

TEST(TomlGuard, KnowsWhereAStringMayBegin) {
  EXPECT_TRUE(
      CheckTomlIsBearable("'a'.\"b\" = {'c'.'d' = [ # x\n 'e', \r\n\t\"f\" ]}\n['g'.'h']\n"));
  EXPECT_TRUE(CheckTomlIsBearable("a = [[1, 2], [\"x\"], {b = 'y', 'c' = 1.5}, 'z']\n'd' = 1"));
  for (const char* text : {"a = 7'", "a = 1.'x'", "a = {b = 1.\"x\"}", "a = [1.'x']", "a = ''x'",
                           "[a]'", "a'b' = 1", "a = ] 'x'"}) {
    EXPECT_TRUE(ErrorOf(text).ends_with(": a string cannot begin here")) << text;
  }
}

}  // namespace
}  // namespace lodekey::platform
