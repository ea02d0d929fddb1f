#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/reader.h"
#include "base/writer.h"

namespace lodekey {
namespace {

TEST(Hex, WritesLowerCaseAndReadsBoth) {
  const Bytes bytes = {0x00, 0x7f, 0xab, 0xff};
  EXPECT_EQ(ToHex(bytes), "007fabff");
  EXPECT_EQ(ParseHex("007FabFf"), bytes);
  EXPECT_EQ(ParseHex(""), Bytes{});
}

TEST(Hex, RefusesOddLengthForeignDigitsAndTooMuch) {
  EXPECT_EQ(ParseHex("abc").error().code, Code::kInvalidArgument);
  EXPECT_EQ(ParseHex("0g").error().text, "not a hexadecimal digit at character 1");
  EXPECT_FALSE(ParseHex("0x11"));
  EXPECT_TRUE(ParseHex("1122", 2));
  EXPECT_FALSE(ParseHex("112233", 2));
}

TEST(Reader, ReadsBothByteOrders) {
  const Bytes input = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Reader big(input, "input");
  EXPECT_EQ(big.U8(), 0x01);
  EXPECT_EQ(big.U16Be(), 0x0203);
  EXPECT_EQ(big.U32Be(), 0x04050607u);
  EXPECT_EQ(big.U64Be(), 0x08090a0b0c0d0e0fu);
  EXPECT_TRUE(big.AtEnd());
  Reader little(input, "input");
  EXPECT_EQ(little.U16Le(), 0x0201);
  EXPECT_EQ(little.U32Le(), 0x06050403u);
  EXPECT_EQ(little.U64Le(), 0x0e0d0c0b0a090807u);
}

TEST(Reader, NeverReadsPastTheEndAndSaysWhere) {
  const Bytes input = {1, 2, 3};
  Reader reader(input, "quote");
  ASSERT_TRUE(reader.U16Be());
  const auto failed = reader.U16Be();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text,
            "read an integer: quote ends at byte 3: 2 more bytes expected, 1 left");
  EXPECT_EQ(reader.offset(), 2u) << "a failed read takes nothing";
}

TEST(Reader, RefusesALengthAboveItsBoundBeforeReading) {
  const Bytes input = {0xff, 0xff, 0xff, 0xff, 0};
  EXPECT_FALSE(Reader(input, "field").Sized32(16));
  EXPECT_FALSE(Reader(input, "field").Sized16(16));
  const Bytes good = {0, 2, 7, 8};
  Reader reader(good, "field");
  EXPECT_EQ(ToBytes(*reader.Sized16(2)), (Bytes{7, 8}));
  EXPECT_TRUE(reader.ExpectEnd());
}

TEST(Reader, NoticesTrailingBytes) {
  const Bytes input = {1, 2};
  Reader reader(input, "attest");
  ASSERT_TRUE(reader.U8());
  EXPECT_EQ(reader.ExpectEnd().error().text, "attest has 1 bytes after its end at byte 1");
}

TEST(Writer, IsTheCounterpartOfTheReader) {
  const Bytes out =
      std::move(Writer().U8(1).U16Be(2).U32Be(3).U64Be(4).Sized16(Bytes{9}).Sized32("ab").Raw("z"))
          .Finish();
  EXPECT_EQ(ToHex(out),
            "01000200000003000000000000000400010900000002"
            "6162"
            "7a");
}

}  // namespace
}  // namespace lodekey
