#include "platform/escape.h"

#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

TEST(Escape, LeavesPrintableUtf8Alone) {
  for (const char* text : {"", "plain text", "Grüße, 世界 🔑", "back\\slash \"quoted\""}) {
    EXPECT_EQ(EscapeControl(text), text);
    EXPECT_TRUE(IsPrintable(text)) << text;
  }
}

TEST(Escape, ShowsControlCharacters) {
  EXPECT_EQ(EscapeControl("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(EscapeControl("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
  EXPECT_EQ(EscapeControl(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(EscapeControl("\xc2\x9b"), "\\xc2\\x9b") << "C1: the one-character CSI";
}

TEST(Escape, ShowsSeparatorsAndBidirectionalOverrides) {
  EXPECT_EQ(EscapeControl("\u2028"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(EscapeControl("user\u202e txt.exe"), "user\\xe2\\x80\\xae txt.exe");
  EXPECT_EQ(EscapeControl("\u2066"), "\\xe2\\x81\\xa6");
  EXPECT_FALSE(IsPrintable("\u2067"));
}

TEST(Escape, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(EscapeControl("\xff"), "\\xff");
  EXPECT_EQ(EscapeControl("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(EscapeControl("\xe0\x80\xaf"), "\\xe0\\x80\\xaf") << "overlong";
  EXPECT_EQ(EscapeControl("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(EscapeControl("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(EscapeControl("\xe4\xb8"), "\\xe4\\xb8") << "cut";
  EXPECT_EQ(EscapeControl("\xe4x"), "\\xe4x") << "the character after a bad lead byte stays";
}

TEST(Escape, ChangesNothingTheSecondTime) {
  const std::string once = EscapeControl("a\n\xff\u202e\\n");
  EXPECT_EQ(EscapeControl(once), once);
  EXPECT_TRUE(IsPrintable(once));
}

}  // namespace
}  // namespace lodekey::platform
