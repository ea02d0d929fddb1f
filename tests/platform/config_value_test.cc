#include "platform/config_value.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

using Strings = std::vector<std::string>;

Option Of(OptionKind kind) { return {.key = "k", .kind = kind}; }

std::string TextError(const Option& option, std::string_view text) {
  const auto value = ParseConfigText(option, text);
  return value ? "no error" : value.error().text;
}

std::string RawError(const Option& option, const RawValue& raw) {
  const auto value = ParseConfigRaw(option, raw);
  return value ? "no error" : value.error().text;
}

TEST(ConfigValue, ReadsEachKindFromText) {
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kText), "a b"), ConfigValue("a b"));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kList), " a, b ,c"),
            ConfigValue(Strings{"a", "b", "c"}));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kList), " "), ConfigValue(Strings{}));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kInteger), "12"), ConfigValue(int64_t{12}));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kFlag), "true"), ConfigValue(true));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kSpan), "90s"), ConfigValue(int64_t{90000}));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kSize), "64KiB"), ConfigValue(int64_t{65536}));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kSize), "512"), ConfigValue(int64_t{512}));
  EXPECT_EQ(ParseConfigText(Of(OptionKind::kPath), "/run/x"), ConfigValue("/run/x"));
}

TEST(ConfigValue, ReadsEachKindFromToml) {
  EXPECT_EQ(ParseConfigRaw(Of(OptionKind::kInteger), int64_t{3}), ConfigValue(int64_t{3}));
  EXPECT_EQ(ParseConfigRaw(Of(OptionKind::kSize), int64_t{3}), ConfigValue(int64_t{3}));
  EXPECT_EQ(ParseConfigRaw(Of(OptionKind::kSize), "1MiB"), ConfigValue(int64_t{1 << 20}));
  EXPECT_EQ(ParseConfigRaw(Of(OptionKind::kFlag), false), ConfigValue(false));
  EXPECT_EQ(ParseConfigRaw(Of(OptionKind::kList), Strings{"a,b"}), ConfigValue(Strings{"a,b"}));
  EXPECT_EQ(ParseConfigRaw(Of(OptionKind::kSpan), "1h"), ConfigValue(int64_t{3600000}));
}

TEST(ConfigValue, RefusesTheWrongType) {
  EXPECT_EQ(RawError(Of(OptionKind::kText), int64_t{1}), "must be a string, not an integer");
  EXPECT_EQ(RawError(Of(OptionKind::kInteger), "1"), "must be an integer, not a string");
  EXPECT_EQ(RawError(Of(OptionKind::kFlag), "true"), "must be true or false, not a string");
  EXPECT_EQ(RawError(Of(OptionKind::kList), "a"), "must be a list of strings, not a string");
  EXPECT_EQ(RawError(Of(OptionKind::kText), Strings{}), "must be a string, not a list");
  EXPECT_EQ(RawError(Of(OptionKind::kSpan), int64_t{5}),
            "must be a duration such as 90s, 10m, 1h or 7d, not an integer");
  EXPECT_EQ(RawError(Of(OptionKind::kText), std::monostate()),
            "must be a string, not a value of another type");
}

TEST(ConfigValue, RefusesTextThatIsNotOfItsKind) {
  EXPECT_EQ(TextError(Of(OptionKind::kFlag), "yes"), "must be true or false, not 'yes'");
  EXPECT_EQ(TextError(Of(OptionKind::kPath), "run/x"), "must be an absolute path, not 'run/x'");
  for (const char* text : {"", "1x", " 1", "0x10", "9223372036854775808"}) {
    EXPECT_NE(TextError(Of(OptionKind::kInteger), text), "no error") << text;
  }
  for (const char* text : {"", "-1", "KiB", "1KB", "1.5MiB", "9007199254740993GiB"}) {
    EXPECT_NE(TextError(Of(OptionKind::kSize), text), "no error") << text;
  }
}

TEST(ConfigValue, KeepsToItsRange) {
  const Option port{.kind = OptionKind::kInteger, .min = 1, .max = 65535};
  EXPECT_EQ(TextError(port, "0"), "must be from 1 to 65535, not '0'");
  EXPECT_EQ(TextError(port, "65535"), "no error");
  EXPECT_EQ(RawError(port, int64_t{65536}), "must be from 1 to 65535, not '65536'");
  const Option span{.kind = OptionKind::kSpan, .min = 1000, .max = 3600000};
  EXPECT_EQ(TextError(span, "2h"), "must be from 1s to 1h, not '2h'");
  const Option size{.kind = OptionKind::kSize, .min = 1024};
  EXPECT_EQ(TextError(size, "1"), "must be at least 1KiB, not '1'");
  const Option one{.kind = OptionKind::kList, .min = 1, .max = 1};
  EXPECT_EQ(TextError(one, "a,b"), "must have exactly 1 elements, not 2");
  EXPECT_EQ(TextError(one, ""), "must have exactly 1 elements, not 0");
}

TEST(ConfigValue, KeepsToItsChoicesAndChecks) {
  const Option level{.choices = {"low", "high"}};
  EXPECT_EQ(TextError(level, "mid"), "must be one of low, high, not 'mid'");
  EXPECT_EQ(TextError(level, "low"), "no error");
  const Option odd{.kind = OptionKind::kList, .check = [](std::string_view text) -> Result<void> {
                     if (text == "good") return {};
                     return Fail(Code::kInvalidArgument, "must be good");
                   }};
  EXPECT_EQ(TextError(odd, "good,good"), "no error");
  EXPECT_EQ(TextError(odd, "good,bad"), "must be good");
}

TEST(ConfigValue, RefusesControlCharacters) {
  EXPECT_EQ(TextError(Of(OptionKind::kText), "a\nb"),
            "must be UTF-8 without control characters, not 'a\\nb'");
  EXPECT_NE(TextError(Of(OptionKind::kPath), std::string_view("/a\0b", 4)), "no error");
  EXPECT_NE(TextError(Of(OptionKind::kText), "\xff"), "no error");
  EXPECT_NE(RawError(Of(OptionKind::kList), Strings{"ok", "\x1b"}), "no error");
}

TEST(ConfigValue, KeepsSecretsOutOfItsErrors) {
  Option secret{.kind = OptionKind::kPath, .secret = true};
  EXPECT_EQ(TextError(secret, "hunter2"), "must be an absolute path");
  secret.check = [](std::string_view text) -> Result<void> {
    return Fail(Code::kInvalidArgument, "must not be " + std::string(text));
  };
  EXPECT_EQ(TextError(secret, "/hunter2"), "has a value that is not allowed");
}

TEST(ConfigValue, ShowsNoMoreOfAForeignValueThanALine) {
  EXPECT_LT(TextError(Of(OptionKind::kInteger), std::string(100000, '9')).size(), 200u);
}

TEST(ConfigValue, AllowsAnEmptyPathOnlyWhereThatIsTheDefault) {
  EXPECT_EQ(TextError(Of(OptionKind::kPath), ""), "must be an absolute path, not ''");
  EXPECT_EQ(TextError({.kind = OptionKind::kPath, .fallback = ""}, ""), "no error");
}

TEST(ConfigValue, IsWrittenAsItIsRead) {
  const std::pair<OptionKind, const char*> cases[] = {
      {OptionKind::kText, "a"},     {OptionKind::kList, "a,b"},    {OptionKind::kFlag, "false"},
      {OptionKind::kInteger, "-7"}, {OptionKind::kSpan, "10m"},    {OptionKind::kSize, "64KiB"},
      {OptionKind::kSize, "1000"},  {OptionKind::kPath, "/a"},     {OptionKind::kSize, "3GiB"},
      {OptionKind::kSize, "0"},     {OptionKind::kSpan, "1500ms"},
  };
  for (const auto& [kind, text] : cases) {
    Option option = Of(kind);
    option.min = -10;
    if (kind == OptionKind::kList) option.min = 0;
    const auto value = ParseConfigText(option, text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(FormatConfigValue(option, *value), text);
  }
}

}  // namespace
}  // namespace lodekey::platform
