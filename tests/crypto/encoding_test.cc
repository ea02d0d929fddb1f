#include "crypto/encoding.h"

#include <gtest/gtest.h>

#include "crypto/secret.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

// RFC 4648, section 10.
TEST(Base64, MatchesTheExamplesOfRfc4648) {
  const std::pair<std::string_view, std::string_view> examples[] = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : examples) {
    EXPECT_EQ(ToBase64(AsBytes(plain)), encoded);
    EXPECT_EQ(Must(ParseBase64(encoded, 6)), ToBytes(plain));
  }
}

TEST(Base64, ReadsBackEveryLength) {
  for (size_t size = 0; size < 100; ++size) {
    const Bytes bytes = RandomBytes(size);
    EXPECT_EQ(Must(ParseBase64(ToBase64(bytes), size)), bytes);
  }
}

TEST(Base64Url, HasItsOwnAlphabetAndNoPadding) {
  const Bytes bytes = {0xfb, 0xff, 0xfe, 0x01};
  EXPECT_EQ(ToBase64Url(bytes), "-__-AQ");
  EXPECT_EQ(Must(ParseBase64Url("-__-AQ", 4)), bytes);
  EXPECT_EQ(Must(ParseBase64Url("", 0)), Bytes());
  for (size_t size = 0; size < 100; ++size) {
    const Bytes random = RandomBytes(size);
    EXPECT_EQ(Must(ParseBase64Url(ToBase64Url(random), size)), random);
  }
}

TEST(Base64Url, RefusesEveryOtherForm) {
  for (std::string_view text :
       {"+//+AQ", "-__-AQ==", "-__-AR", "A", "-__-AQ\n", "\xd0\xd0\xd0\xd0"}) {
    EXPECT_FALSE(ParseBase64Url(text, 100)) << text;
  }
  EXPECT_FALSE(ParseBase64Url("-__-AQ", 3));
}

TEST(Base64, RefusesEveryOtherForm) {
  for (std::string_view text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm 9v",
                                "Zm-_", "====", "Zg==Zg==", "Zm9v=", "Z"}) {
    const auto result = ParseBase64(text, 100);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

TEST(Base64, TakesEachCharacterOfItsAlphabetForItselfAlone) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < 4; ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string text = "AAAA";
      text[at] = static_cast<char>(value);
      const bool padding = at == 3 && text[at] == '=';
      const bool known = padding || kAlphabet.find(text[at]) != std::string_view::npos;
      const auto result = ParseBase64(text, 3);
      ASSERT_EQ(result.has_value(), known) << at << " " << value;
      if (result) {
        EXPECT_EQ(ToBase64(*result), text);
      }
    }
  }
}

TEST(Base64, RefusesMoreThanTheBound) {
  EXPECT_TRUE(ParseBase64("Zm9v", 3));
  EXPECT_FALSE(ParseBase64("Zm9v", 2));
  EXPECT_FALSE(ParseBase64("Zm9vYmFy", 3));
  EXPECT_FALSE(ParseBase64(std::string(4000, 'A'), 100));
}

TEST(Pem, ReadsBackWhatItWrites) {
  for (size_t size : {1u, 47u, 48u, 49u, 1000u}) {
    const Bytes der = RandomBytes(size);
    const auto blocks = Must(ParsePem(ToPem("THING", der), "THING", 1));
    ASSERT_EQ(blocks.size(), 1u);
    EXPECT_EQ(blocks[0], der);
  }
}

TEST(Pem, BreaksLinesAt64Characters) {
  EXPECT_EQ(ToPem("T", Bytes(49, 0)),
            "-----BEGIN T-----\n" + std::string(64, 'A') + "\nAA==\n-----END T-----\n");
}

TEST(Pem, SkipsOtherLabelsAndTextAndTakesCrlf) {
  const std::string text = "subject: example\r\n" + ToPem("OTHER", AsBytes("no")) +
                           "-----BEGIN T-----\r\nZm9v\r\n-----END T-----\r\nin between\n" +
                           ToPem("T", AsBytes("bar"));
  const auto blocks = Must(ParsePem(text, "T", 2));
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(AsText(blocks[0]), "foo");
  EXPECT_EQ(AsText(blocks[1]), "bar");
}

TEST(Pem, IsEmptyWhenThereIsNoBlock) {
  EXPECT_TRUE(Must(ParsePem("", "T", 1)).empty());
  EXPECT_TRUE(Must(ParsePem("x -----BEGIN T-----\nZm9v\n-----END T-----\n", "T", 1)).empty());
}

TEST(Pem, RefusesBrokenBlocks) {
  const std::string whole = ToPem("T", AsBytes("foo"));
  for (const std::string& text : {
           std::string("-----BEGIN T-----\nZm9v\n"),
           std::string("-----BEGIN T-----\nZm9v\n-----END U-----\n"),
           std::string("-----BEGIN T-----\nZm9\n-----END T-----\n"),
           std::string("-----BEGIN T-----\nProc-Type: 4\n\nZm9v\n-----END T-----\n"),
           "-----BEGIN T-----\nZm9v\n" + whole,
           whole + "-----BEGIN T-----\n",
       }) {
    const auto result = ParsePem(text, "T", 4);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

TEST(Pem, RefusesTooManyBlocksAndTooLongOnes) {
  const std::string block = ToPem("T", AsBytes("foo"));
  EXPECT_TRUE(ParsePem(block + block, "T", 2));
  EXPECT_FALSE(ParsePem(block + block + block, "T", 2));
  EXPECT_TRUE(ParsePem(ToPem("T", Bytes(65536, 1)), "T", 1));
  EXPECT_FALSE(ParsePem(ToPem("T", Bytes(65537, 1)), "T", 1));
  EXPECT_FALSE(
      ParsePem("-----BEGIN T-----\n" + std::string(200'000, ' ') + "\n-----END T-----\n", "T", 1));
}

}  // namespace
}  // namespace lodekey::crypto
