#include "cli/text.h"

#include <gtest/gtest.h>

namespace lodekey::cli {
namespace {

TEST(Table, AlignsItsColumns) {
  EXPECT_EQ(FormatTable({"A", "LONG", "C"}, {{"1", "2", "3"}, {"wide cell", "x", "y"}}),
            "A          LONG  C\n"
            "1          2     3\n"
            "wide cell  x     y\n");
}

TEST(Table, ShowsAnEmptyOrMissingCellAsADash) {
  EXPECT_EQ(FormatTable({"A", "B"}, {{"", "2"}, {"1"}}), "A  B\n-  2\n1  -\n");
}

TEST(Table, CountsCharactersNotBytes) {
  EXPECT_EQ(FormatTable({"A", "B"}, {{"é…", "x"}, {"ab", "y"}}), "A   B\né…  x\nab  y\n");
}

TEST(Table, EscapesWhatWouldSteerATerminal) {
  const std::string text = FormatTable({"A"}, {{"\x1b[31mred\nnext"}});
  EXPECT_EQ(text, "A\n\\x1b[31mred\\nnext\n");
}

TEST(Fields, AlignTheirValuesAndLeaveOutEmptyOnes) {
  EXPECT_EQ(FormatFields({{"a", "1"}, {"much longer than the rest", ""}, {"long", "2"}}),
            "a:     1\nlong:  2\n");
}

TEST(Fields, EscapeTheirValues) { EXPECT_EQ(FormatFields({{"a", "x\x07y"}}), "a:  x\\x07y\n"); }

TEST(UnixMs, IsATimeOrNothing) {
  EXPECT_EQ(FormatUnixMs(0), "");
  EXPECT_EQ(FormatUnixMs(1780272000250), "2026-06-01T00:00:00.250Z");
}

TEST(Roughly, NamesTheLargestUnit) {
  EXPECT_EQ(FormatRoughly(std::chrono::hours(49)), "2 days");
  EXPECT_EQ(FormatRoughly(std::chrono::minutes(119)), "1 hour");
  EXPECT_EQ(FormatRoughly(std::chrono::seconds(3599)), "59 minutes");
  EXPECT_EQ(FormatRoughly(std::chrono::seconds(1)), "1 second");
  EXPECT_EQ(FormatRoughly(Duration(999)), "0 seconds");
  EXPECT_EQ(FormatRoughly(Duration(-5000)), "0 seconds");
}

TEST(AbbreviateHex, CutsLongRunsOnly) {
  EXPECT_EQ(AbbreviateHex("0123456789abcdef01234567"), "01234567…");
  EXPECT_EQ(AbbreviateHex("0123456789abcdef0123456"), "0123456789abcdef0123456");
  EXPECT_EQ(AbbreviateHex(std::string(64, 'a') + " or " + std::string(64, 'b') + "."),
            "aaaaaaaa… or bbbbbbbb….");
  EXPECT_EQ(AbbreviateHex("the face of a decade"), "the face of a decade");
  EXPECT_EQ(AbbreviateHex(""), "");
}

}  // namespace
}  // namespace lodekey::cli
